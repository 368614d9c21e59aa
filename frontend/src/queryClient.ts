// How data is fetched and kept: what is worth asking again is asked again, an ended session opens the login dialog.

import { MutationCache, QueryCache, QueryClient } from "@tanstack/react-query";
import { noteFailure } from "./lib/crashes";
import { ApiError } from "./services/api";
import { sessionExpired } from "./services/session";

const MOST_RETRIES = 2;

function note(error: Error) {
  noteFailure(error);
  if (error instanceof ApiError && error.code === "INVALID_TOKEN") sessionExpired();
}

export function makeQueryClient(): QueryClient {
  return new QueryClient({
    queryCache: new QueryCache({ onError: note }),
    mutationCache: new MutationCache({ onError: note }),
    defaultOptions: {
      queries: {
        staleTime: 2000,
        // Whether and when is the platform's to say; requests that are repeated anyway do not wait in between.
        retry: (count, error) => error instanceof ApiError && error.retryable && count < MOST_RETRIES,
        retryDelay: (count, error) => {
          const asked = error instanceof ApiError ? (error.retryAfter ?? 0) * 1000 : 0;
          return Math.max(asked, Math.min(500 * 2 ** count, 4000) * (0.5 + Math.random() / 2));
        },
        // The browser's idea of being online says nothing about a platform on this very machine.
        networkMode: "always",
      },
      mutations: { networkMode: "always" },
    },
  });
}
