// Where failed requests are shown that nothing can stand in for: a whole page, a card.

import { Link, useRouter } from "@tanstack/react-router";
import { presentation, situationOf } from "../lib/presentation";
import { ApiError } from "../services/api";
import { ErrorAlert } from "./ErrorAlert";
import { Button, buttonClass } from "./ui";

/** The data that a page is about could not be had: the page's place, navigation kept. */
export function PageError({ error, onRetry }: { error: Error; onRetry?: () => void }) {
  const router = useRouter();
  if (!(error instanceof ApiError)) throw error;
  const shown = presentation(situationOf(error, "load"));
  if (shown.place === "dialog") return <p className="p-4 text-soft">Log in to see this page.</p>;
  return (
    <div className="mx-auto mt-6 max-w-2xl">
      <ErrorAlert error={error} onRetry={onRetry} announce={shown.announce} listFields />
      <div className="mt-3 flex gap-2">
        <Button onClick={() => router.history.back()}>Go back</Button>
        <Link to="/" className={buttonClass()}>
          All jobs
        </Link>
      </div>
    </div>
  );
}

/** One part of a page could not be had; the rest stands. */
export function CardError({ error, onRetry }: { error: Error; onRetry: () => void }) {
  if (!(error instanceof ApiError)) throw error;
  const { announce } = presentation(situationOf(error, "card"));
  return (
    <div className="p-3">
      <ErrorAlert error={error} onRetry={onRetry} announce={announce} />
    </div>
  );
}
