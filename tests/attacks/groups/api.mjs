export async function api() {}
