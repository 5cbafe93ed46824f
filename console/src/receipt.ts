// What was removed, in words.

/** Counts by the names that the answers give them. */
export type Counts = Readonly<Record<string, number>>;

/** The counts of the answers, with their names for one and for several. `account` is true or false. */
export const NAMES: Readonly<Record<string, readonly [string, string]>> = {
  users: ["user", "users"],
  account: ["account", "accounts"],
  accounts: ["account", "accounts"],
  conversations: ["conversation", "conversations"],
  contact_groups: ["contact group", "contact groups"],
  chat_groups: ["chat group", "chat groups"],
  lists: ["list of another user", "lists of other users"],
  changes: ["change in the feed", "changes in the feed"],
};

/** For people: "3 users, 1 account". Leaves out what is 0. */
export function counted(removed: Counts): string {
  const parts = Object.entries(removed).filter(([, count]) => count > 0);
  const text = ([name, count]: [string, number]) => `${count.toLocaleString("en")} ${NAMES[name]?.[count === 1 ? 0 : 1] ?? name}`;
  return parts.length === 0 ? "nothing was stored" : parts.map(text).join(", ");
}
