// Compiled, never run: what the types allow and forbid.
import { Sluice, SluiceError, type Invoked, type Status } from "@sluice/browser";

const sluice = new Sluice({ url: "https://sluice.example.com", token: async () => "token" });
new Sluice({ url: "https://sluice.example.com", token: "token", timeout: 1000 });
// @ts-expect-error A token is needed.
new Sluice({ url: "https://sluice.example.com" });

export async function use(file: File, signal: AbortSignal): Promise<void> {
  const status: Status = await sluice.status("crm", { signal });
  const works: boolean = await sluice.isAuthorized("crm");
  const agreed: Status = await sluice.authorize("crm", { window: "tab", timeout: 60_000, signal });
  const ended: Status = await sluice.revoke("crm");
  const contact = await sluice.invoke<{ id: string }>("crm.create_contact", { input: { name: "Ada" }, variables: { vip: true } });
  const id: string | undefined = contact?.id;
  const whole: Invoked<{ id: string }> = await sluice.invoke<{ id: string }>("crm.upload", { file, parts: { note: "x", scan: file }, raw: true });
  await sluice.invoke("crm.upload", { file, contentType: "multipart/form-data", config: {}, timeout: 5000 });
  // @ts-expect-error There is no such window.
  await sluice.authorize("crm", { window: "iframe" });
  console.log(status.state === "ok", works, agreed.scopes?.length, ended.reason, id, whole.outputs[0]?.body.id);
}

export function told(error: unknown): string {
  if (!(error instanceof SluiceError)) throw error;
  if (error.code === "popup_blocked") return "allow windows";
  return `${error.code} ${error.status} ${error.detail} ${error.retryAfter ?? 0}`;
}
