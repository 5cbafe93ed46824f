// Starts `earmark dev` in a temporary folder, and `earmark serve` on the database of an `earmark dev`.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";

const PROGRAM = process.env.EARMARK ?? "../target/debug/earmark";
const PSQL = /^ *look inside: (.+)$/;
const DEV_READY = /console on (http:\/\/127\.0\.0\.1:(\d+))\/console\?token=(\w+)/;
const SERVE_READY = /listening on (127\.0\.0\.1:\d+)/;

/** Waits for the line of the program's output that matches `ready`. Passes every line to `onLine`, also later ones. */
async function waitForLine(child: ChildProcess, output: Readable, ready: RegExp, onLine: (line: string) => void = () => {}): Promise<RegExpExecArray> {
  const ended = once(child, "exit").then(([status]): never => {
    throw new Error(`${child.spawnargs.slice(0, 2).join(" ")} exited with status ${String(status)}`);
  });
  ended.catch(() => {});
  const match = new Promise<RegExpExecArray>((resolve) => {
    createInterface({ input: output }).on("line", (line) => {
      onLine(line);
      const match = ready.exec(line);
      if (match) resolve(match);
    });
  });
  return Promise.race([match, ended]);
}

/** Stops a program as Ctrl-C does. */
async function interrupt(child: ChildProcess): Promise<void> {
  child.kill("SIGINT");
  if (child.exitCode === null) await once(child, "exit");
}

export class Service {
  private process: ChildProcess | undefined;
  /** The token in the address that `dev` prints. Each start has another one. */
  token = "";
  /** The command that `dev` prints to look into its database. */
  private psql = "";
  /** Duration of the first start, with initdb. */
  coldStartMs = 0;

  private constructor(
    readonly folder: string,
    public origin: string,
    private port: number,
  ) {}

  static async start(): Promise<Service> {
    const folder = await mkdtemp(join(tmpdir(), "earmark-console-"));
    // Under root, PostgreSQL runs as another user, which must be able to enter the folder.
    await chmod(folder, 0o755);
    const service = new Service(folder, "", 0);
    const start = performance.now();
    await service.run();
    service.coldStartMs = performance.now() - start;
    return service;
  }

  private async run(): Promise<void> {
    const args = ["dev", "--data", join(this.folder, "data"), "--listen", `127.0.0.1:${this.port}`];
    const child = spawn(PROGRAM, args, { stdio: ["ignore", "pipe", "inherit"] });
    this.process = child;
    const note = (line: string) => {
      this.psql = PSQL.exec(line)?.[1] ?? this.psql;
    };
    const [, origin, port, token] = await waitForLine(child, child.stdout, DEV_READY, note);
    this.origin = origin!;
    this.port = Number(port);
    this.token = token!;
  }

  /** The data and the port stay the same for `startAgain`. */
  async stop(): Promise<void> {
    await interrupt(this.process!);
  }

  async startAgain(): Promise<void> {
    await this.run();
  }

  /** The demo app's key, from the file that `dev` writes. */
  async secretKey(): Promise<string> {
    return (await readFile(join(this.folder, "data", "secret-key"), "utf8")).trim();
  }

  async end(): Promise<void> {
    await this.stop();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** The address that `dev` prints. It signs in. */
  get link(): string {
    return `${this.origin}/console?token=${this.token}`;
  }

  /** The credentials of the demo app's admin. */
  async session(): Promise<{ sdkappid: string; identifier: string; usersig: string }> {
    const headers = { authorization: `Bearer ${this.token}` };
    const session = (await (await fetch(`${this.origin}/console/session.json`, { headers })).json()) as Record<string, string>;
    return { sdkappid: String(session.sdkappid), identifier: String(session.identifier), usersig: String(session.usersig) };
  }

  /** Runs a statement on the database. */
  async sql(statement: string): Promise<void> {
    const child = spawn("sh", ["-c", `${this.psql} --quiet --command "$0"`, statement], { stdio: "inherit" });
    const [status] = (await once(child, "exit")) as [number];
    if (status !== 0) throw new Error(`${this.psql} exited with status ${status}`);
  }

  /** Calls the admin API below an app, or below the demo app. */
  async admin(method: string, path: string, body?: unknown, app?: number): Promise<Record<string, unknown>> {
    return this.operate(method, `/${app ?? (await this.session()).sdkappid}${path}`, body);
  }

  /** Calls the native API below the demo app, as its admin. */
  async native(method: string, path: string, body?: unknown): Promise<Record<string, unknown>> {
    const { sdkappid, usersig } = await this.session();
    const headers = { authorization: `Bearer ${usersig}`, ...(body !== undefined && { "content-type": "application/json" }) };
    const sent = body === undefined ? undefined : JSON.stringify(body);
    const response = await fetch(`${this.origin}/v1/apps/${sdkappid}${path}`, { method, headers, body: sent });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${text}`);
    return (text ? JSON.parse(text) : {}) as Record<string, unknown>;
  }

  async createApp(sdkappid: number): Promise<void> {
    await this.operate("POST", "", { sdkappid });
  }

  private async operate(method: string, path: string, body?: unknown): Promise<Record<string, unknown>> {
    const headers = { authorization: `Bearer ${this.token}`, "content-type": "application/json" };
    const sent = body === undefined ? undefined : JSON.stringify(body);
    const response = await fetch(`${this.origin}/admin/v1/apps${path}`, { method, headers, body: sent });
    if (!response.ok) throw new Error(`${method} ${path}: ${await response.text()}`);
    const text = await response.text();
    return (text ? JSON.parse(text) : {}) as Record<string, unknown>;
  }

  /** Calls the API without the page, as the admin of the demo app. */
  async call(path: string, body: unknown): Promise<Record<string, unknown>> {
    const query = new URLSearchParams(await this.session());
    const response = await fetch(`${this.origin}/v4/${path}?${query}`, { method: "POST", body: JSON.stringify(body) });
    return (await response.json()) as Record<string, unknown>;
  }
}

/** `earmark serve` with a console, on the database of an `earmark dev` that keeps running. */
export class Served {
  private constructor(
    private readonly process: ChildProcess,
    public readonly origin: string,
    /** Its log, line by line. */
    public readonly log: readonly string[],
  ) {}

  static async start(dev: Service, operatorToken: string): Promise<Served> {
    const file = join(dev.folder, "operator-token");
    await writeFile(file, `${operatorToken}\n`, { mode: 0o600 });
    const database = new URLSearchParams({ host: join(dev.folder, "data", "run") });
    const url = `postgres://earmark@localhost/earmark?${database}`;
    const listen = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    const shown = ["--console", "--console-label", "production", "--console-color", "red"];
    const args = ["serve", ...shown, "--operator-token-file", file, "--database-url", url, ...listen, "--log-requests", "all"];
    const child = spawn(PROGRAM, args, { stdio: ["ignore", "inherit", "pipe"] });
    const log: string[] = [];
    try {
      const [, address] = await waitForLine(child, child.stderr, SERVE_READY, (line) => log.push(line));
      return new Served(child, `http://${address}`, log);
    } catch (error) {
      throw new Error(log.join("\n"), { cause: error });
    }
  }

  /** Waits until the log contains a text. */
  async logged(text: string): Promise<void> {
    while (!this.log.some((line) => line.includes(text))) await once(this.process.stderr!, "data");
  }

  async end(): Promise<void> {
    await interrupt(this.process);
  }
}
