// The limits of an app: what each counts, and which numbers it may have.

/** What the service accepts, from its document. */
export interface Range {
  min: number;
  max: number;
  /** What a new app has. */
  usual: number;
}

/** What each limit counts, by its name in the service. */
export const UNITS: Readonly<Record<string, string>> = {
  marked: "marked conversations of a user",
  grouped: "conversations in a user's contact groups",
  groups: "contact groups of a user",
  "group-name-bytes": "bytes in the name of a contact group",
  "custom-mark-bytes": "bytes in a custom mark",
  "mark-items": "items in a call that marks",
  "group-items": "conversations in a call that changes a contact group",
  "search-items": "conversations in a search",
  "page-items": "conversations on a page",
  pinned: "pinned conversations of a user",
  "user-id-bytes": "bytes in a UserID",
  "chat-group-id-bytes": "bytes in the id of a chat group",
  "calls-per-second": "calls per second of one command; 0 is no limit",
};

export const counted = (number: number): string => number.toLocaleString("en");

/** What is wrong with a typed number, in words; null if nothing. */
export function numberProblem(text: string, { min, max }: Pick<Range, "min" | "max">): string | null {
  const number = /^\d{1,15}$/.test(text.trim()) ? Number(text) : Number.NaN;
  return number >= min && number <= max ? null : `must be a whole number from ${counted(min)} to ${counted(max)}`;
}
