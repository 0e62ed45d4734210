export async function webhooks() {}
