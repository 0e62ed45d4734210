export async function oauth() {}
