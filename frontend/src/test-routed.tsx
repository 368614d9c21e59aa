import { QueryClientProvider } from "@tanstack/react-query";
import { createMemoryHistory, createRootRoute, createRouter, RouterProvider } from "@tanstack/react-router";
import { render } from "@testing-library/react";
import { vi } from "vitest";
import { makeQueryClient } from "./queryClient";

/** Draws what has links and asks the platform, as a page of its own; the client that it asks with. */
export function routed(component: () => React.ReactNode) {
  // The test's document cannot scroll.
  vi.spyOn(window, "scrollTo").mockImplementation(() => undefined);
  const router = createRouter({ routeTree: createRootRoute({ component }), history: createMemoryHistory() });
  const client = makeQueryClient();
  render(
    <QueryClientProvider client={client}>
      <RouterProvider router={router as never} />
    </QueryClientProvider>,
  );
  return client;
}
