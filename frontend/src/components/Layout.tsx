import { Link, Outlet, useLocation, useNavigate, useRouterState } from "@tanstack/react-router";
import { Boxes, Image, Keyboard, ListChecks, Monitor, Moon, Plus, Sun, TriangleAlert } from "lucide-react";
import { Suspense, useEffect, useRef, useState } from "react";
import { Toaster } from "sonner";
import { useHotkeys } from "../hooks/useHotkeys";
import { useNotices } from "../hooks/useNotices";
import { nextTheme, useDark, useTheme } from "../lib/theme";
import { Boundary } from "./Crash";
import { Dialog } from "./Dialog";
import { SessionDialog } from "./Login";
import { Button, buttonClass, Loading } from "./ui";

const places = [
  { to: "/", label: "Jobs", icon: ListChecks },
  { to: "/datasets", label: "Data sets", icon: Image },
  { to: "/failures", label: "Failures", icon: TriangleAlert },
  { to: "/system", label: "System", icon: Boxes },
] as const;

const keys: [string, string][] = [
  ["g / d / e / s", "Go to jobs, data sets, failures, system"],
  ["n", "New training"],
  ["j / k", "Next or previous row of a list"],
  ["Enter", "Open the row"],
  ["/", "Search"],
  ["f", "On a job: to the error"],
  ["l", "On a job: to the log"],
  ["r", "On a job: try again"],
  ["c", "On a job: copy for support"],
  ["?", "This help"],
];

const HERE = "!bg-hover !text-ink";

function ThemeButton() {
  const theme = useTheme();
  const Icon = { system: Monitor, light: Sun, dark: Moon }[theme];
  return (
    <Button
      look="ghost"
      small
      onClick={nextTheme}
      aria-label={`Colours: ${theme}. Change`}
      title={`Colours: ${theme}`}
    >
      <Icon aria-hidden className="size-4" />
    </Button>
  );
}

export function Help({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keyboard" onClose={onClose}>
      <dl className="grid grid-cols-[auto_1fr] gap-x-4 gap-y-1.5">
        {keys.map(([key, does]) => (
          <div key={key} className="contents">
            <dt>
              <kbd className="rounded border border-line bg-hover px-1.5 font-mono text-[13px]">{key}</kbd>
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <div className="mt-4 text-right">
        <Button onClick={onClose}>Close</Button>
      </div>
    </Dialog>
  );
}

export function Layout() {
  const [help, setHelp] = useState(false);
  const navigate = useNavigate();
  const { pathname } = useLocation();
  useNotices();
  // Of the page that is shown, not of the one that is asked for and still loads.
  const resolved = useRouterState({ select: (state) => state.resolvedLocation?.href });
  const content = useRef<HTMLElement>(null);
  const shown = useRef(pathname);
  useEffect(() => {
    if (shown.current === pathname) return;
    shown.current = pathname;
    // Another page begins at its beginning, for the keyboard and for screen readers too.
    content.current?.focus({ preventScroll: true });
  }, [pathname]);
  useHotkeys({
    "?": () => setHelp(true),
    n: () => navigate({ to: "/new" }),
    g: () => navigate({ to: "/" }),
    d: () => navigate({ to: "/datasets" }),
    e: () => navigate({ to: "/failures", search: { state: "unresolved" } }),
    s: () => navigate({ to: "/system" }),
  });
  return (
    <div className="flex min-h-screen flex-col">
      <a
        href="#content"
        className="sr-only focus:not-sr-only focus:absolute focus:z-20 focus:m-2 focus:bg-panel focus:p-2"
      >
        Skip to the content
      </a>
      <header className="sticky top-0 z-10 border-b border-line bg-panel">
        <div className="mx-auto flex max-w-[90rem] items-center gap-0.5 px-2 py-1.5 sm:gap-1 sm:px-5">
          <nav aria-label="Main" className="flex min-w-0 flex-1 items-center sm:gap-1">
            <Link
              to="/"
              className="mr-2 hidden items-center gap-2 font-semibold no-underline md:flex"
              tabIndex={-1}
              aria-hidden
            >
              <img src="/icon.svg" alt="" className="size-6" />
              Vision AI Training
            </Link>
            {places.map(({ to, label, icon: Icon }) => (
              <Link
                key={to}
                to={to}
                search={to === "/failures" ? { state: "unresolved" } : {}}
                activeOptions={{ exact: to === "/", includeSearch: false }}
                className={`${buttonClass("ghost", true)} max-sm:!px-1`}
                activeProps={{ className: HERE, "aria-current": "page" }}
                // A job is a place below the list of jobs, though its address is not.
                inactiveProps={to === "/" && pathname.startsWith("/jobs/") ? { className: HERE } : {}}
              >
                <Icon aria-hidden className="hidden size-4 sm:block" />
                {label}
              </Link>
            ))}
          </nav>
          <Link to="/new" className={buttonClass("primary", true)}>
            <Plus aria-hidden className="size-4" />
            <span className="sr-only sm:not-sr-only">New training</span>
          </Link>
          <ThemeButton />
          <Button
            look="ghost"
            small
            onClick={() => setHelp(true)}
            aria-label="Keyboard help"
            className="max-sm:hidden"
          >
            <Keyboard aria-hidden className="size-4" />
          </Button>
        </div>
      </header>
      <main
        id="content"
        ref={content}
        tabIndex={-1}
        className="outline-none mx-auto w-full max-w-[90rem] flex-1 px-3 py-5 sm:px-5"
      >
        <Boundary resetKey={resolved}>
          <Suspense fallback={<Loading what="page" />}>
            <Outlet />
          </Suspense>
        </Boundary>
      </main>
      <SessionDialog />
      {help && <Help onClose={() => setHelp(false)} />}
      <Toaster position="bottom-right" closeButton theme={useDark() ? "dark" : "light"} />
    </div>
  );
}
