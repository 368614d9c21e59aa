// Light, dark, or as the system says; the choice is kept in this browser.

import { useSyncExternalStore } from "react";

export type Theme = "system" | "light" | "dark";
const KEY = "vtp-theme";
const themes: Theme[] = ["system", "light", "dark"];
const listeners = new Set<() => void>();
let current: Theme = "system";

function apply(theme: Theme) {
  current = theme;
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  for (const tell of listeners) tell();
}

export function startTheme() {
  const kept = localStorage.getItem(KEY) as Theme | null;
  apply(kept && themes.includes(kept) ? kept : "system");
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => apply(current));
}

export function nextTheme() {
  const next = themes[(themes.indexOf(current) + 1) % themes.length] ?? "system";
  localStorage.setItem(KEY, next);
  apply(next);
}

function isDark() {
  if (current !== "system") return current === "dark";
  return window.matchMedia("(prefers-color-scheme: dark)").matches;
}

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export const useTheme = () => useSyncExternalStore(subscribe, () => current);
export const useDark = () => useSyncExternalStore(subscribe, isDark);
