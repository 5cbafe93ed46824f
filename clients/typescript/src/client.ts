// A user's marks, held by a device: reads them, hears of every change, and changes them.
//
// Needs nothing but `fetch`. Each call of the native API can be sent again, so a call that failed on its way is repeated.

/** The other end of a conversation: a user or a chat group. */
export interface ConversationId {
  type: "user" | "group";
  id: string;
}

/** A name such as `favorite`, or the number of a bit that has no name. */
export type Mark = string | number;

/** A user's state about a conversation. */
export interface Conversation extends ConversationId {
  marks: Mark[];
  custom: string | null;
  /** Names of contact groups. */
  groups: string[];
  pinned: boolean;
  /** RFC 3339; null while the service has no state of the conversation. */
  changed_at: string | null;
  /** The user's revision at the last change. */
  revision: number;
}

export interface Group {
  name: string;
  id: number;
  conversations: number;
}

/** What to change. What is absent stays. */
export interface Patch {
  set?: Mark[];
  clear?: Mark[];
  /** null removes the custom mark. */
  custom?: string | null;
  add_to?: string[];
  remove_from?: string[];
  pinned?: boolean;
}

export interface State {
  /** By `keyOf`. Includes changes that the service has not answered yet. */
  conversations: ReadonlyMap<string, Conversation>;
  groups: readonly Group[];
  /** The revision that was read or heard of last; -1 before the first read. */
  revision: number;
  /** Whether changes are heard of at once. */
  live: boolean;
  /** Why not, if the service refuses. */
  problem: Problem | null;
}

/** A refusal of the service (RFC 9457), or an answer that is none (status 0). */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly type: string,
    detail: string,
    /** The original's ErrorCode. */
    readonly code?: number,
    readonly field?: string,
  ) {
    super(detail);
  }
}

export interface Options {
  /** Of the service, such as `https://marks.example.com`. */
  url: string;
  app: number | string;
  user: string;
  /** Asked before each request, so that a UserSig can be renewed. */
  userSig: () => string | Promise<string>;
  fetch?: typeof fetch;
  /** Milliseconds without a byte after which a stream is opened anew. The service sends something every 15 seconds. */
  silence?: number;
  /** Milliseconds before the first retry. Each further one waits twice as long, up to 30 seconds. */
  pause?: number;
}

export const keyOf = ({ type, id }: ConversationId): string => `${type}/${id}`;

/** What a conversation without state is. */
export const emptyOf = ({ type, id }: ConversationId): Conversation => ({
  type, id, marks: [], custom: null, groups: [], pinned: false, changed_at: null, revision: 0,
});

/** The conversation as it will be after the patch. */
export function patched(before: Conversation, patch: Patch): Conversation {
  const without = <T>(all: T[], some: T[] = []) => all.filter((one) => !some.includes(one));
  const together = <T>(all: T[], more: T[] = []) => [...all, ...without(more, all)];
  return {
    ...before,
    marks: without(together(before.marks, patch.set), patch.clear),
    groups: without(together(before.groups, patch.add_to), patch.remove_from),
    custom: patch.custom === undefined ? before.custom : patch.custom || null,
    pinned: patch.pinned ?? before.pinned,
  };
}

const isEmpty = (one: Conversation) =>
  !one.marks.length && one.custom === null && !one.groups.length && !one.pinned;

/** What the service answers about many conversations. */
interface Changes {
  revision: number;
  cursor: string;
  conversations: Conversation[];
  removed?: ConversationId[];
  groups?: Group[];
  next?: string | null;
}

interface Pending {
  key: string;
  id: ConversationId;
  patch: Patch;
}

export class Client {
  #options: Options;
  /** As the service has told it. */
  #stored = new Map<string, Conversation>();
  #groups: Group[] = [];
  #revision = -1;
  #cursor: string | null = null;
  /** Changes that are not answered yet, oldest first. */
  #pending: Pending[] = [];
  #writes: Promise<unknown> = Promise.resolve();
  #running: AbortController | null = null;
  #listeners = new Set<(state: State) => void>();

  state: State = { conversations: new Map(), groups: [], revision: -1, live: false, problem: null };

  constructor(options: Options) {
    this.#options = options;
  }

  /** Calls `listener` after each change of `state`. Returns a function that ends this. */
  subscribe(listener: (state: State) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Reads the state, and hears of changes until `stop`. */
  start(): void {
    if (this.#running) return;
    const running = (this.#running = new AbortController());
    void this.#run(running.signal);
  }

  stop(): void {
    this.#running?.abort();
    this.#running = null;
    this.#show({ live: false });
  }

  get(id: ConversationId): Conversation {
    return this.state.conversations.get(keyOf(id)) ?? emptyOf(id);
  }

  /**
   * Changes a conversation. `state` shows the change at once; if the service refuses it, `state` goes back, and the promise
   * is rejected with the `Problem`. While the service cannot be reached, the change waits. Changes are sent in order.
   */
  patch(id: ConversationId, patch: Patch): Promise<Conversation> {
    const change = { key: keyOf(id), id, patch };
    this.#pending.push(change);
    this.#show();
    const done = this.#writes.then(() => this.#write(change));
    this.#writes = done.catch(() => {});
    return done;
  }

  async #write(change: Pending): Promise<Conversation> {
    try {
      const path = `/conversations/${change.id.type}/${encodeURIComponent(change.id.id)}`;
      const response = await this.#persist(() => this.#send("PATCH", path, change.patch));
      const answer: Conversation = await response.json();
      const revision = Number(response.headers.get("etag")?.replaceAll('"', ""));
      // An answer that is older than what was heard since is in it already.
      if (revision > this.#revision) this.#keep(answer);
      return answer;
    } finally {
      this.#pending = this.#pending.filter((one) => one !== change);
      this.#show();
    }
  }

  async #run(signal: AbortSignal): Promise<void> {
    let tries = 0;
    while (!signal.aborted) {
      try {
        if (this.#cursor === null) await this.#readAll(signal);
        await this.#listen(signal, () => (tries = 0));
      } catch (error) {
        if (signal.aborted) return;
        const problem = error instanceof Problem && error.status ? error : null;
        if (problem?.status === 410) this.#cursor = null;
        this.#show({ live: false, problem: problem?.status === 410 ? null : problem });
      }
      this.#show({ live: false });
      await this.#wait(tries++, signal);
    }
  }

  /** Reads everything anew. What changes meanwhile is heard of afterwards, since the first page's cursor is kept. */
  async #readAll(signal: AbortSignal): Promise<void> {
    const user: Changes = await this.#json("", signal);
    const stored = new Map<string, Conversation>();
    let page: string | null | undefined = "";
    while (page !== null && page !== undefined) {
      const more: Changes = await this.#json(`/conversations${page && `?page=${encodeURIComponent(page)}`}`, signal);
      for (const one of more.conversations) stored.set(keyOf(one), one);
      page = more.next;
    }
    this.#stored = stored;
    this.#groups = user.groups ?? [];
    this.#revision = user.revision;
    this.#cursor = user.cursor;
    this.#show({ problem: null });
  }

  /** Hears of changes until the stream ends. */
  async #listen(signal: AbortSignal, onEvent: () => void): Promise<void> {
    const stream = new AbortController();
    const stop = () => stream.abort();
    signal.addEventListener("abort", stop);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const heard = () => {
      clearTimeout(timer);
      timer = setTimeout(stop, this.#options.silence ?? 45_000);
    };
    try {
      heard();
      const since = encodeURIComponent(this.#cursor ?? "");
      const response = await this.#send("GET", `/events?since=${since}`, undefined, stream.signal);
      this.#show({ live: true, problem: null });
      const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        heard();
        onEvent();
        const events = (text + value).split("\n\n");
        text = events.pop()!;
        events.forEach((event) => this.#hear(event));
      }
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
      stop();
    }
  }

  #hear(event: string): void {
    const lines = event.split("\n").map((line) => line.split(/: ?(.*)/s));
    const field = (name: string) => lines.find(([other]) => other === name)?.[1];
    if (field("event") === "resync") throw new Problem(410, "", "the cursor is not known");
    if (field("event") !== "changes") return;
    const changes: Changes = JSON.parse(field("data")!);
    this.#revision = changes.revision;
    this.#cursor = changes.cursor;
    changes.removed?.forEach((id) => this.#stored.delete(keyOf(id)));
    // The answer to a change may have told more already.
    const isNews = (one: Conversation) => one.revision >= (this.#stored.get(keyOf(one))?.revision ?? 0);
    changes.conversations.filter(isNews).forEach((one) => this.#keep(one));
    this.#groups = changes.groups ?? this.#groups;
    this.#show();
  }

  #keep(one: Conversation): void {
    if (isEmpty(one)) this.#stored.delete(keyOf(one));
    else this.#stored.set(keyOf(one), one);
  }

  #show(change: Partial<State> = {}): void {
    const conversations = new Map(this.#stored);
    for (const { key, id, patch } of this.#pending) {
      const after = patched(conversations.get(key) ?? emptyOf(id), patch);
      if (isEmpty(after)) conversations.delete(key);
      else conversations.set(key, after);
    }
    this.state = { ...this.state, conversations, groups: this.#groups, revision: this.#revision, ...change };
    this.#listeners.forEach((listener) => listener(this.state));
  }

  async #json(path: string, signal: AbortSignal): Promise<Changes> {
    return (await this.#send("GET", path, undefined, signal)).json();
  }

  /** Sends again what did not arrive or was not answered, and what the service was too busy for. */
  async #persist(send: () => Promise<Response>): Promise<Response> {
    for (let tries = 0; ; tries++) {
      try {
        return await send();
      } catch (error) {
        const status = error instanceof Problem ? error.status : 0;
        if (status && status !== 429 && status < 500) throw error;
        await this.#wait(tries);
      }
    }
  }

  async #send(method: string, path: string, body?: Patch, signal?: AbortSignal): Promise<Response> {
    const { url, app, user, userSig, fetch: send = fetch } = this.#options;
    const response = await send(`${url}/v1/apps/${app}/users/${encodeURIComponent(user)}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${await userSig()}`,
        ...(body && { "content-type": "application/json" }),
      },
      ...(body && { body: JSON.stringify(body) }),
      ...(signal && { signal }),
      cache: "no-store",
    });
    if (response.ok) return response;
    const { type = "", title = "", detail = title, code, field } = await response.json().catch(() => ({}));
    throw new Problem(response.status, type, detail || `status ${response.status}`, code, field);
  }

  /** Waits longer after each try, and never for the same time as other clients. */
  #wait(tries: number, signal?: AbortSignal): Promise<void> {
    const most = Math.min(30_000, (this.#options.pause ?? 500) * 2 ** tries);
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, most * (0.5 + Math.random() / 2));
      signal?.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
    });
  }
}
