import { effect, untracked } from "@preact/signals";
import { render } from "preact";
import { recoveries } from "./api/fetch.ts";
import { Console, open, openAgain } from "./app.tsx";

render(<Console />, document.getElementById("page")!);
void open();

effect(() => {
  if (recoveries.value > 0) void untracked(openAgain);
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) void openAgain();
});
