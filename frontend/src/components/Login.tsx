import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useId, useState } from "react";
import { ApiError } from "../services/api";
import { logIn, useSessionExpired } from "../services/session";
import { Dialog } from "./Dialog";
import { ErrorAlert } from "./ErrorAlert";
import { Button, inputClass } from "./ui";

export function LoginForm({ onDone, wrong }: { onDone: () => void; wrong?: boolean }) {
  const [token, setToken] = useState("");
  const id = useId();
  const login = useMutation({ mutationFn: logIn, onSuccess: onDone });
  const refused =
    (wrong && login.isIdle) || (login.error instanceof ApiError && login.error.code === "INVALID_TOKEN");
  return (
    <form
      className="flex flex-col gap-3"
      onSubmit={(event) => {
        event.preventDefault();
        if (token.trim()) login.mutate(token);
      }}
    >
      <p className="text-soft">
        <code className="font-mono">vtp up</code> prints a link that logs you in. Open it, or paste its token
        here.
      </p>
      <div>
        <label htmlFor={id} className="mb-1 block font-medium">
          Token
        </label>
        <input
          id={id}
          type="password"
          autoComplete="current-password"
          className={inputClass}
          value={token}
          aria-invalid={refused || undefined}
          aria-describedby={refused ? `${id}-error` : undefined}
          onChange={(event) => setToken(event.target.value)}
        />
        {refused && (
          <p id={`${id}-error`} role="alert" className="mt-1 text-bad">
            This token is wrong or no longer valid. A new one is in the output of <code>vtp up</code>.
          </p>
        )}
      </div>
      {login.error instanceof ApiError && !refused && <ErrorAlert error={login.error} />}
      <Button type="submit" look="primary" busy={login.isPending} disabled={!token.trim()}>
        {login.isPending ? "Logging in" : "Log in"}
      </Button>
    </form>
  );
}

/** Over the page where the session has ended: what was typed stays below, and goes on after the login. */
export function SessionDialog() {
  const expired = useSessionExpired();
  const client = useQueryClient();
  if (!expired || location.pathname === "/login") return null;
  return (
    <Dialog title="Log in to go on">
      <p className="mb-3">This browser has no session, or it has ended. Nothing that you typed is lost.</p>
      <LoginForm onDone={() => client.invalidateQueries()} />
    </Dialog>
  );
}
