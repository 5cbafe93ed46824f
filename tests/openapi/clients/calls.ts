// Three calls with each of the generated clients for TypeScript: of the original's API, the native API and the admin API.

import * as native from "./native/index.js";
import * as original from "./original/index.js";

declare const process: { env: Record<string, string> };

const basePath = process.env.URL!;
const app = Number(process.env.SDKAPPID);

function check(holds: boolean, answer: unknown): void {
  if (!holds) throw new Error(JSON.stringify(answer));
}

const apiKey = (name: string) => process.env[name.toUpperCase()]!;
const settings = new original.Configuration({ basePath, apiKey, accessToken: process.env.TOKEN! });
const recent = new original.RecentcontactApi(settings);
const peer = { type: 1, toAccount: "peer" } as const;
const marked = await recent.markContact({
  markContactRequest: { fromAccount: "typescript", markItem: [{ optType: 1, contactItem: peer, setMark: [0] }] },
});
check(marked.errorCode === 0, marked);
const pinned = await recent.top({ topRequest: { fromAccount: "typescript", operationType: 1, recentContactItem: [peer] } });
check(pinned.errorCode === 0, pinned);
const page = await recent.getContactGroup({ getContactGroupRequest: { fromAccount: "typescript", startIndex: 0 } });
check("contactItem" in page && page.contactItem[0]?.toAccount === "peer", page);

const admin = new original.AdminApi(settings);
const listed = await admin.listApps();
check(listed.apps.some(({ sdkappid }) => sdkappid === app), listed);
const shown = await admin.showApp({ sdkappid: app });
check(shown.edition === "premium", shown);
const changed = await admin.changeApp({ sdkappid: app, appSettings: { limits: { pinned: 60 } } });
check(changed.limits.pinned === 60, changed);

const own = new native.Configuration({ basePath, accessToken: process.env.USERSIG! });
const conversations = new native.ConversationsApi(own);
const user = "typescript";
const patched = await conversations.patchConversation({
  app, user, type: "user", id: "peer", conversationPatch: { set: ["unread", 40], custom: "later", pinned: true },
});
check(String(patched.marks) === "favorite,unread,40" && patched.custom === "later" && patched.pinned, patched);
const all = await conversations.listConversations({ app, user });
check(all.conversations.length === 1, all);
const state = await new native.UsersApi(own).getUser({ app, user });
check(state.limits.marked.used === 1, state);

console.log("the clients for TypeScript have made their calls");
