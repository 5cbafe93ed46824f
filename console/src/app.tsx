// The frame of the page: navigation, session, and a warning while the service is unreachable.

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { documentProblem, isLoaded, loadDocument, version } from "./api/document.ts";
import { isReachable, NO_ANSWER, ping } from "./api/fetch.ts";
import { checkAgain, hasDemoApp, isSigningIn, loadDemoApp, needsLink, session, signInToDemoApp, signOut, standing } from "./api/session.ts";
import { environment, isEditing, READ_ONLY, setEditing } from "./editing.ts";
import { Icon, Logo, type IconName } from "./parts/icons.tsx";
import { Announcer, Button, Notice, Text } from "./parts/parts.tsx";
import { UndoBar } from "./parts/undo.tsx";
import { lastPlaces, link, route, type View } from "./route.ts";
import { theme, THEMES } from "./theme.ts";
import { AppsView } from "./views/apps.tsx";
import { CallsView } from "./views/calls.tsx";
import { CodesView } from "./views/codes.tsx";
import { OverviewView } from "./views/overview.tsx";
import { SignIn } from "./views/sign_in.tsx";
import { TryView } from "./views/try.tsx";
import { UsersView } from "./views/users.tsx";

const VIEWS: readonly { view: View; title: string; short: string; icon: IconName; show: () => JSX.Element }[] = [
  { view: "try", title: "Try a call", short: "Try", icon: "send", show: () => <TryView /> },
  { view: "users", title: "Look up a user", short: "Users", icon: "user", show: () => <UsersView /> },
  { view: "calls", title: "Calls", short: "Calls", icon: "calls", show: () => <CallsView /> },
  { view: "codes", title: "Error codes", short: "Codes", icon: "codes", show: () => <CodesView /> },
  { view: "apps", title: "Apps", short: "Apps", icon: "apps", show: () => <AppsView /> },
  { view: "overview", title: "Overview", short: "Overview", icon: "overview", show: () => <OverviewView /> },
];

/** Loads what every view needs. The address that `earmark dev` prints signs in to the demo app. */
export async function open(): Promise<void> {
  await Promise.all([loadDocument(), signInToDemoApp()]);
}

/** What may have changed while the tab could not see it is asked again. */
export async function openAgain(): Promise<void> {
  if (!isLoaded.value) return open();
  await (session.value ? checkAgain() : loadDemoApp());
}

export function Console() {
  const { view, subject } = route.value;
  useEffect(() => {
    // A new view starts at its top. The view of the codes scrolls to its code by itself.
    if (view !== "codes" || !subject) scrollTo(0, 0);
  }, [view, subject]);
  const current = VIEWS.find((known) => known.view === view)!;
  return (
    <>
      <a class="skip" href="#main" onClick={skip}>
        Skip to content
      </a>
      <Header />
      {!isReachable.value && <Unreachable />}
      {session.value && standing.value.state === "refused" && <Refused code={standing.value.code} info={standing.value.text} />}
      <main id="main" tabIndex={-1}>
        {isLoaded.value && !session.value && (view === "try" || view === "users") && <Welcome />}
        {isLoaded.value ? current.show() : <Loading />}
      </main>
      {isSigningIn.value && <SignIn />}
      <UndoBar />
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
          <a key={view} data-view={view} href={view === route.value.view ? link(view) : (lastPlaces.value[view] ?? link(view))} aria-current={view === route.value.view ? "page" : undefined}>
            <Icon name={icon} />
            <span class="long">{title}</span>
            <span class="short">{short}</span>
          </a>
        ))}
      </nav>
      <Mode />
      <div class="right">
        <ThemeButton />
        <Who />
      </div>
    </header>
  );
}

/** Which environment this is, and whether the page may change it. */
function Mode() {
  const { label, color } = environment.value;
  return (
    <div class="mode">
      {label && (
        <strong class={`environment ${color}`} aria-label={`Environment: ${label}`} role="note">
          <Text>{label}</Text>
        </strong>
      )}
      <button type="button" class="switch" role="switch" aria-checked={isEditing.value} title={isEditing.value ? "Changes are allowed" : READ_ONLY} onClick={() => setEditing(!isEditing.value)}>
        Edit
      </button>
    </div>
  );
}

function ThemeButton() {
  const next = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length]!;
  const icon = ({ system: "system", light: "sun", dark: "moon" } as const)[theme.value];
  return <Button kind="quiet" icon={icon} label={`Colour theme: ${theme.value}. Switch to ${next}`} onClick={() => (theme.value = next)} />;
}

function Who() {
  const who = session.value;
  if (!who) return <Button onClick={() => (isSigningIn.value = true)}>Sign in</Button>;
  const { state, text } = standing.value;
  return (
    <div class="session">
      <p>
        <span class={`dot ${state}`} role="img" aria-label={`Session: ${state}`} title={text} />
        <Text>{who.identifier}</Text> <span class="measure">{who.sdkAppId}</span>
      </p>
      <Button kind="quiet" onClick={signOut}>
        Sign out
      </Button>
    </div>
  );
}

function Welcome() {
  return (
    <section class="welcome" aria-label="Sign in">
      <div>
        <h2>Mark your first conversation</h2>
        <p>
          Fill in the form or edit the JSON, and send it. Then look up the user to see what the service stored. The
          console explains every error beside the answer.
        </p>
        {needsLink.value && (
          <p>
            To sign in to the demo app, open the address that <code>earmark dev</code> printed. It contains a token that is
            valid until <code>earmark dev</code> stops.
          </p>
        )}
      </div>
      {hasDemoApp.value ? (
        <div class="welcome-actions">
          <Button kind="primary" icon="key" onClick={() => void signInToDemoApp()}>
            Sign in to the demo app
          </Button>
          <Button kind="quiet" onClick={() => (isSigningIn.value = true)}>
            Enter credentials
          </Button>
        </div>
      ) : (
        <Button kind="primary" icon="key" onClick={() => (isSigningIn.value = true)}>
          Sign in
        </Button>
      )}
    </section>
  );
}

/** The service no longer accepts the session: a key was retired, the app disabled, or the UserSig has expired. */
function Refused({ code, info }: { code: number | null; info: string }) {
  return (
    <div class="banner bad" role="alert">
      <Icon name="key" />
      <p>
        <strong>The service refuses this session.</strong> {code !== null && <a href={link("codes", String(code))}>{code}</a>} <Text>{info}</Text>
      </p>
      <Button onClick={() => (isSigningIn.value = true)}>Sign in again</Button>
    </div>
  );
}

function Unreachable() {
  const isRetrying = useSignal(false);
  const retry = async () => {
    isRetrying.value = true;
    await ping();
    isRetrying.value = false;
  };
  return (
    <div class="banner bad" role="alert">
      <Icon name="warning" />
      <p>
        <strong>{NO_ANSWER}</strong> The console tries again every two seconds. Your input is kept.
      </p>
      <Button icon="refresh" disabled={isRetrying.value} onClick={() => void retry()}>
        {isRetrying.value ? "Trying…" : "Retry"}
      </Button>
    </div>
  );
}

function Loading() {
  if (!documentProblem.value) return <p class="opening">Loading…</p>;
  return (
    <Notice kind="bad">
      <p>
        The console cannot start: <Text>{documentProblem.value}</Text>
      </p>
      <Button icon="refresh" onClick={() => void open()}>
        Try again
      </Button>
    </Notice>
  );
}
