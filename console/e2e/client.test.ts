// The client for devices, against an `earmark dev` of its own. The browser test of the look-up uses it as well.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Client, type ConversationId, type Options, Problem, type State } from "../../clients/typescript/src/client.ts";
import { Service } from "./service.ts";

const PEER: ConversationId = { type: "user", id: "peer/1 ü" };
const FAVORITE = { set: ["favorite"] };

let service: Service;
let options: Options;

before(async () => {
  service = await Service.start();
  const { sdkappid, identifier } = await service.session();
  const userSig = async () => (await service.session()).usersig;
  options = { url: service.origin, app: sdkappid, user: "", userSig, pause: 20 };
  assert.ok(identifier);
});

after(async () => {
  await service?.end();
});

/** Waits until the client shows a state that fits. */
function until(client: Client, fits: (state: State) => boolean): Promise<State> {
  if (fits(client.state)) return Promise.resolve(client.state);
  return new Promise((resolve) => {
    const end = client.subscribe((state) => {
      if (!fits(state)) return;
      end();
      resolve(state);
    });
  });
}

const isLive = ({ live }: State) => live;

/** A client that hears of changes, for as long as the test runs. */
async function live(t: { after(end: () => void): void }, more: Partial<Options>): Promise<Client> {
  const client = new Client({ ...options, ...more });
  t.after(() => client.stop());
  client.start();
  await until(client, isLive);
  return client;
}

async function mark(user: string, bits: number[]): Promise<void> {
  const item = { OptType: 1, ContactItem: { Type: 1, To_Account: PEER.id }, SetMark: bits };
  await service.call("recentcontact/mark_contact", { From_Account: user, MarkItem: [item] });
}

test("a client holds what is stored, and hears of changes of others", async (t) => {
  await mark("hears", [1]);
  const client = await live(t, { user: "hears" });
  assert.deepEqual(client.get(PEER).marks, ["unread"]);
  await mark("hears", [0]);
  await until(client, () => client.get(PEER).marks.includes("favorite"));
});

test("two devices of a user show the same", async (t) => {
  const [one, other] = await Promise.all([live(t, { user: "both" }), live(t, { user: "both" })]);
  await one.patch(PEER, { ...FAVORITE, custom: "x", pinned: true });
  const { conversations } = await until(other, () => other.get(PEER).pinned);
  assert.deepEqual(conversations, one.state.conversations);
  await other.patch(PEER, { clear: ["favorite"], custom: null, pinned: false });
  await until(one, ({ conversations }) => conversations.size === 0);
});

test("a change shows at once, and goes back if the service refuses it", async (t) => {
  const client = await live(t, { user: "optimist" });
  const refused = client.patch(PEER, { custom: "x".repeat(257) });
  assert.equal(client.get(PEER).custom?.length, 257);
  await assert.rejects(refused, (error) => error instanceof Problem && error.status === 400 && error.field === "/custom");
  assert.equal(client.get(PEER).custom, null);
  assert.equal(client.state.conversations.size, 0);
});

test("a change that is lost on its way is sent again, in order", async (t) => {
  let lost = 0;
  const lossy: typeof fetch = async (input, init) => {
    const response = await fetch(input, init);
    if (init?.method !== "PATCH" || ++lost > 2) return response;
    await response.body?.cancel();
    throw new TypeError("the answer was lost");
  };
  const client = await live(t, { user: "lossy", fetch: lossy });
  const [, last] = await Promise.all([client.patch(PEER, { custom: "first" }), client.patch(PEER, { custom: "second" })]);
  assert.equal(last.custom, "second");
  assert.equal(client.get(PEER).custom, "second");
});

test("a client whose cursor is not known reads everything anew", async (t) => {
  let isFirst = true;
  const forgetful: typeof fetch = (input, init) => {
    const stale = isFirst && String(input).includes("/events?since=");
    if (stale) isFirst = false;
    return fetch(stale ? String(input).replace(/since=.*/, "since=1-0-0-00000000") : input, init);
  };
  await mark("resync", [2]);
  const client = await live(t, { user: "resync", fetch: forgetful });
  assert.deepEqual(client.get(PEER).marks, ["collapsed"]);
});

test("a client goes on after the service was started again, and a change waits for it", async (t) => {
  const client = await live(t, { user: "restart" });
  await service.stop();
  const change = client.patch(PEER, FAVORITE);
  await until(client, (state) => !state.live);
  assert.deepEqual(client.get(PEER).marks, ["favorite"]);
  await service.startAgain();
  assert.deepEqual((await change).marks, ["favorite"]);
  await until(client, isLive);
  await mark("restart", [1]);
  await until(client, () => client.get(PEER).marks.length === 2);
});

test("a stream that falls silent is opened anew", async (t) => {
  let streams = 0;
  const counting: typeof fetch = (input, init) => {
    if (String(input).includes("/events")) streams++;
    return fetch(input, init);
  };
  const client = await live(t, { user: "silent", fetch: counting, silence: 50 });
  await until(client, (state) => !state.live);
  await until(client, isLive);
  assert.ok(streams >= 2);
});
