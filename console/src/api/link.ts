// The token in the address that `earmark dev` prints. The page removes it from the address. The tab keeps it, so that a reload
// signs in again; the browser forgets it when the tab is closed. In `serve`, the page keeps no token.

import { store, stored } from "../stored.ts";

const NAME = "dev-token";

function takeToken(): string {
  const address = new URL(location.href);
  const token = address.searchParams.get("token");
  if (token === null) return stored(NAME) ?? "";
  address.searchParams.delete("token");
  history.replaceState(null, "", address);
  return token;
}

/** Empty if the page was opened without one. */
export const linkToken = takeToken();

/** The service has said whether it is an `earmark dev` that takes the token. */
export function noteLinkToken(isOfDev: boolean): void {
  store(NAME, isOfDev ? linkToken : null);
}
