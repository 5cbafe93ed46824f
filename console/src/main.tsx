import { effect } from "@preact/signals";
import { render } from "preact";
import { isLoaded } from "./api/document.ts";
import { reachable } from "./api/reach.ts";
import { Console, open } from "./app.tsx";

render(<Console />, document.getElementById("page")!);
void open();

// A service that is back may have been away when the page opened.
effect(() => {
  if (reachable.value && !isLoaded.peek()) void open();
});
