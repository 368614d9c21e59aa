// Whether the session has ended while the page is open. A tiny store, so that anything that fetches can say so.

import { useSyncExternalStore } from "react";
import { request } from "./api";

const listeners = new Set<() => void>();
let expired = false;

function set(value: boolean) {
  if (expired === value) return;
  expired = value;
  for (const tell of listeners) tell();
}

export const sessionExpired = () => set(true);

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useSessionExpired(): boolean {
  return useSyncExternalStore(subscribe, () => expired);
}

/** Exchanges the token for a session cookie. Rejects with the backend's INVALID_TOKEN where the token is wrong. */
export async function logIn(token: string): Promise<void> {
  await fetch(`/?token=${encodeURIComponent(token.trim())}`, { redirect: "follow" }).catch(() => null);
  await request("GET", "/session");
  set(false);
}
