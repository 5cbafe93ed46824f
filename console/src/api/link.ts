// The token in the address that `earmark dev` prints. The page removes it from the address, and keeps it in the memory of
// this tab only.

function takeToken(): string {
  const address = new URL(location.href);
  const token = address.searchParams.get("token");
  if (token === null) return "";
  address.searchParams.delete("token");
  history.replaceState(null, "", address);
  return token;
}

/** Empty if the page was opened without one. */
export const linkToken = takeToken();
