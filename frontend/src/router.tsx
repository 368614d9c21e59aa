import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  redirect,
} from "@tanstack/react-router";
import { Layout } from "./components/Layout";
import { SEEN, SOURCES, STATES } from "./lib/errorGroups";
import { LoginPage } from "./pages/LoginPage";
import { NotFoundPage } from "./pages/NotFoundPage";

const text = (value: unknown) => (typeof value === "string" && value ? value : undefined);
const texts = (value: unknown) =>
  (Array.isArray(value) ? value : [value]).filter((item): item is string => typeof item === "string");

const root = createRootRoute({ component: Layout, notFoundComponent: NotFoundPage });
const parent = { getParentRoute: () => root };

export interface JobSearch {
  q?: string;
  status?: string[];
  code?: string;
  dataset?: string;
  /** Only failed jobs that were not tried again. */
  unresolved?: boolean;
  /** Failures by reason above the list. */
  group?: boolean;
}

const jobs = createRoute({
  ...parent,
  path: "/",
  validateSearch: (search): JobSearch => {
    const status = texts(search.status);
    return {
      q: search.q === undefined ? undefined : String(search.q),
      status: status.length ? status : undefined,
      code: text(search.code),
      dataset: text(search.dataset),
      unresolved: search.unresolved === true || undefined,
      group: search.group === true || undefined,
    };
  },
  component: lazyRouteComponent(() => import("./pages/JobsPage"), "JobsPage"),
});

const job = createRoute({
  ...parent,
  path: "/jobs/$jobId",
  validateSearch: (search): { attempt?: number; compare?: string } => {
    const attempt = Number(search.attempt);
    return {
      attempt: Number.isInteger(attempt) && attempt > 0 ? attempt : undefined,
      compare: text(search.compare),
    };
  },
  component: lazyRouteComponent(() => import("./pages/JobPage"), "JobPage"),
});

const datasets = createRoute({
  ...parent,
  path: "/datasets",
  component: lazyRouteComponent(() => import("./pages/DatasetsPage"), "DatasetsPage"),
});

const dataset = createRoute({
  ...parent,
  path: "/datasets/$datasetId",
  component: lazyRouteComponent(() => import("./pages/DatasetPage"), "DatasetPage"),
});

export interface NewSearch {
  /** A job whose configuration the form begins with. */
  from?: string;
  /** One of its fixes, applied. */
  fix?: string;
  dataset?: string;
  /** A fix of the data set's report, applied. */
  dataset_fix?: string;
}

const fresh = createRoute({
  ...parent,
  path: "/new",
  validateSearch: (search): NewSearch => ({
    from: text(search.from),
    fix: text(search.fix),
    dataset: text(search.dataset),
    dataset_fix: text(search.dataset_fix),
  }),
  component: lazyRouteComponent(() => import("./pages/NewTrainingPage"), "NewTrainingPage"),
});

const system = createRoute({
  ...parent,
  path: "/system",
  component: lazyRouteComponent(() => import("./pages/SystemPage"), "SystemPage"),
});

const rules = createRoute({
  ...parent,
  path: "/rules",
  component: lazyRouteComponent(() => import("./pages/RulesPage"), "RulesPage"),
});

export interface FailureSearch {
  q?: string;
  /** A chip of states: unresolved, regressed, resolved, ignored. */
  state?: string;
  source?: string;
  code?: string;
  causer?: string;
  entity?: string;
  job?: string;
  /** Seen within this long. */
  seen?: string;
  /** Seen at or after, ISO. */
  from?: string;
  /** First seen at or before, ISO. */
  until?: string;
  sort?: "count";
}

const known = (value: unknown, names: object) => {
  const found = text(value);
  return found && found in names ? found : undefined;
};
const time = (value: unknown) => {
  const found = text(value);
  return found && !Number.isNaN(Date.parse(found)) ? found : undefined;
};

const failures = createRoute({
  ...parent,
  path: "/failures",
  validateSearch: (search): FailureSearch => ({
    q: search.q === undefined ? undefined : String(search.q),
    state: known(search.state, STATES),
    source: known(search.source, SOURCES),
    code: text(search.code),
    causer: text(search.causer),
    entity: search.entity === undefined ? undefined : String(search.entity),
    job: text(search.job),
    seen: known(search.seen, SEEN),
    from: time(search.from),
    until: time(search.until),
    sort: search.sort === "count" ? "count" : undefined,
  }),
  component: lazyRouteComponent(() => import("./pages/FailuresPage"), "FailuresPage"),
});

const failureGroup = createRoute({
  ...parent,
  path: "/failures/$groupId",
  component: lazyRouteComponent(() => import("./pages/FailureGroupPage"), "FailureGroupPage"),
});

/** What is below it are the platform's pages of codes; itself it is where people look for the list. */
const errors = createRoute({
  ...parent,
  path: "/errors",
  beforeLoad: () => {
    throw redirect({ to: "/failures", replace: true });
  },
});

const login = createRoute({
  ...parent,
  path: "/login",
  validateSearch: (search): { wrong?: boolean } => ({ wrong: search.wrong !== undefined || undefined }),
  component: LoginPage,
});

export const router = createRouter({
  routeTree: root.addChildren([
    jobs,
    job,
    datasets,
    dataset,
    fresh,
    failures,
    failureGroup,
    errors,
    system,
    rules,
    login,
  ]),
  defaultPreload: "intent",
  scrollRestoration: true,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
