import { effect } from "@preact/signals";
import { render } from "preact";
import { isLoaded } from "./api/document.ts";
import { isReachable } from "./api/fetch.ts";
import { Console, open } from "./app.tsx";

render(<Console />, document.getElementById("page")!);
void open();

// If the service was unreachable when the page opened, load once the service is back.
effect(() => {
  if (isReachable.value && !isLoaded.peek()) void open();
});
