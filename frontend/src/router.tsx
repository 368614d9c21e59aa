import { createRootRoute, createRoute, createRouter, Link, Outlet } from "@tanstack/react-router";

const rootRoute = createRootRoute({
  component: () => (
    <main>
      <Link to="/">Jobs</Link>
      <Outlet />
    </main>
  ),
});
const jobs = createRoute({ getParentRoute: () => rootRoute, path: "/", component: () => <h1>Jobs</h1> });

export const router = createRouter({ routeTree: rootRoute.addChildren([jobs]) });

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
