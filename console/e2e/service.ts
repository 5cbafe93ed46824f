// `earmark dev` in a folder of its own, for one run of the tests.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const PROGRAM = process.env.EARMARK ?? "../target/debug/earmark";
const READY = /listens on (http:\/\/127\.0\.0\.1:(\d+))/;

export class Service {
  private process: ChildProcess | undefined;
  /** How long the first start took, in milliseconds: with initdb, so a cold one. */
  coldStartMs = 0;

  private constructor(
    private readonly folder: string,
    public origin: string,
    private port: number,
  ) {}

  static async start(): Promise<Service> {
    const folder = await mkdtemp(join(tmpdir(), "earmark-console-"));
    // As root, PostgreSQL runs as another user and has to get in.
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
    const ended = once(child, "exit").then(([status]) => {
      throw new Error(`earmark dev ended with status ${String(status)}`);
    });
    const ready = (async () => {
      for await (const line of createInterface({ input: child.stdout })) {
        const found = READY.exec(line);
        if (found) {
          this.origin = found[1]!;
          this.port = Number(found[2]);
          return;
        }
      }
    })();
    await Promise.race([ready, ended]);
    ended.catch(() => {});
    child.stdout.resume();
  }

  /** Ends it as Ctrl-C does; `run` afterwards finds the data and the port again. */
  async stop(): Promise<void> {
    const child = this.process!;
    child.kill("SIGINT");
    if (child.exitCode === null) await once(child, "exit");
  }

  async startAgain(): Promise<void> {
    await this.run();
  }

  /** The demo app's key, as `dev` leaves it for its owner. */
  async secretKey(): Promise<string> {
    return (await readFile(join(this.folder, "data", "secret-key"), "utf8")).trim();
  }

  async end(): Promise<void> {
    await this.stop();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** A call as another client would make it, past the page. */
  async call(path: string, body: unknown): Promise<Record<string, unknown>> {
    const session = (await (await fetch(`${this.origin}/console/session.json`)).json()) as Record<string, string>;
    const query = new URLSearchParams({
      sdkappid: String(session.sdkappid),
      identifier: String(session.identifier),
      usersig: String(session.usersig),
    });
    const response = await fetch(`${this.origin}/v4/${path}?${query}`, { method: "POST", body: JSON.stringify(body) });
    return (await response.json()) as Record<string, unknown>;
  }
}
