// The frame of the page: where one is, who one is, and whether the service is there.

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { documentProblem, isLoaded, loadDocument, version } from "./api/document.ts";
import { look, reachable, SILENCE } from "./api/reach.ts";
import { canSignInAtOnce, loadOffer, session, signingIn, signInAtOnce, signOut } from "./api/session.ts";
import { Icon, Logo, type IconName } from "./parts/icons.tsx";
import { Announcer, Button, Notice, Text } from "./parts/parts.tsx";
import { link, route, type View } from "./route.ts";
import { theme, THEMES } from "./theme.ts";
import { AppsView } from "./views/apps.tsx";
import { CodesView } from "./views/codes.tsx";
import { SignIn } from "./views/sign_in.tsx";
import { TryView } from "./views/try.tsx";
import { UsersView } from "./views/users.tsx";

const VIEWS: readonly { view: View; title: string; short: string; icon: IconName; show: () => JSX.Element }[] = [
  { view: "try", title: "Try a call", short: "Try", icon: "send", show: () => <TryView /> },
  { view: "users", title: "Look up a user", short: "Users", icon: "user", show: () => <UsersView /> },
  { view: "codes", title: "Error codes", short: "Codes", icon: "codes", show: () => <CodesView /> },
  { view: "apps", title: "Apps", short: "Apps", icon: "apps", show: () => <AppsView /> },
];

/** What the page has to know before it can show anything. */
export async function open(): Promise<void> {
  await Promise.all([loadDocument(), loadOffer()]);
}

export function Console() {
  const { view, subject } = route.value;
  useEffect(() => {
    // Another view begins at its top; a code is scrolled to by itself.
    if (view !== "codes" || !subject) scrollTo(0, 0);
  }, [view, subject]);
  const current = VIEWS.find((known) => known.view === view)!;
  return (
    <>
      <a class="skip" href="#main" onClick={skip}>
        Skip to the content
      </a>
      <Header />
      {!reachable.value && <Unreachable />}
      <main id="main" tabIndex={-1}>
        {isLoaded.value && !session.value && view !== "codes" && view !== "apps" && <Welcome />}
        {isLoaded.value ? current.show() : <Opening />}
      </main>
      {signingIn.value && <SignIn />}
      <Announcer />
    </>
  );
}

function skip(event: Event): void {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

function Header() {
  return (
    <header class="top">
      <a class="brand" href={link("try")} title={version.value ? `earmark ${version.value}` : undefined}>
        <Logo />
        earmark
      </a>
      <nav class="views" aria-label="Views">
        {VIEWS.map(({ view, title, short, icon }) => (
          <a key={view} href={link(view)} aria-current={view === route.value.view ? "page" : undefined}>
            <Icon name={icon} />
            <span class="long">{title}</span>
            <span class="short">{short}</span>
          </a>
        ))}
      </nav>
      <div class="right">
        <ThemeButton />
        <Who />
      </div>
    </header>
  );
}

function ThemeButton() {
  const next = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length]!;
  const icon = ({ system: "system", light: "sun", dark: "moon" } as const)[theme.value];
  return <Button kind="quiet" icon={icon} label={`Colours: ${theme.value}. Change to ${next}`} onClick={() => (theme.value = next)} />;
}

function Who() {
  const who = session.value;
  if (!who) return <Button onClick={() => (signingIn.value = true)}>Sign in</Button>;
  return (
    <div class="session">
      <p>
        <span class="dot" aria-hidden="true" />
        <Text>{who.identifier}</Text> <span class="measure">{who.sdkAppId}</span>
      </p>
      <Button kind="quiet" onClick={signOut}>
        Sign out
      </Button>
    </div>
  );
}

/** Before anybody is signed in. */
function Welcome() {
  return (
    <section class="welcome" aria-label="Sign in">
      <div>
        <h2>Mark your first conversation</h2>
        <p>
          Fill in the form or write the JSON, send it, and look the user up to see it come back. Every error is
          explained where it happens.
        </p>
      </div>
      {canSignInAtOnce.value ? (
        <div class="welcome-actions">
          <Button kind="primary" icon="key" onClick={() => void signInAtOnce()}>
            Sign in to the demo app
          </Button>
          <Button kind="quiet" onClick={() => (signingIn.value = true)}>
            By hand
          </Button>
        </div>
      ) : (
        <Button kind="primary" icon="key" onClick={() => (signingIn.value = true)}>
          Sign in
        </Button>
      )}
    </section>
  );
}

function Unreachable() {
  const looking = useSignal(false);
  const retry = async () => {
    looking.value = true;
    if (await look()) await (isLoaded.value ? loadOffer() : open());
    looking.value = false;
  };
  return (
    <div class="unreachable" role="alert">
      <Icon name="warning" />
      <p>
        <strong>{SILENCE}</strong> It is looked for every two seconds. What you typed is kept.
      </p>
      <Button icon="refresh" disabled={looking.value} onClick={() => void retry()}>
        {looking.value ? "Looking…" : "Retry"}
      </Button>
    </div>
  );
}

function Opening() {
  if (!documentProblem.value) return <p class="opening">Opening…</p>;
  return (
    <Notice kind="bad">
      <p>
        The page cannot open: <Text>{documentProblem.value}</Text>
      </p>
      <Button icon="refresh" onClick={() => void open()}>
        Try again
      </Button>
    </Notice>
  );
}
