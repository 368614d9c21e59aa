// Live events of one job over a WebSocket that comes back by itself and loses nothing in between.

import ReconnectingWebSocket from "partysocket/ws";
import type { JobEvent } from "../generated/api";

export interface Connection {
  status: "connecting" | "live" | "paused" | "ended";
  /** When the next try begins, in milliseconds since the epoch; null while none is planned. */
  retryAt: number | null;
}

interface Listeners {
  /** The number of the last event that is known; asked before every connection. */
  since: () => number;
  events: (events: JobEvent[]) => void;
  connection: (connection: Connection) => void;
}

export interface Watch {
  retryNow: () => void;
  close: () => void;
}

const FIRST_DELAY = 1000;
const LONGEST_DELAY = 15_000;
const GROWTH = 1.6;
const POLICY_VIOLATION = 1008;
/** Events are handed over together this often, so that a burst costs one rendering. */
export const GATHER_MS = 80;

/** The wait before try number `count`, as partysocket keeps it. */
export function delay(count: number, first: number): number {
  return count <= 0 ? 0 : Math.min(first * GROWTH ** (count - 1), LONGEST_DELAY);
}

export function watchJob(jobId: string, on: Listeners): Watch {
  let gathered: JobEvent[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  let socket: ReconnectingWebSocket | null = null;

  function flush() {
    timer = undefined;
    const events = gathered;
    gathered = [];
    on.events(events);
  }

  function url() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    return `${scheme}//${location.host}/ws/training-jobs/${encodeURIComponent(jobId)}?since=${on.since()}`;
  }

  function open() {
    // Spread, so that all pages do not come back in the same moment after the backend was away.
    const first = FIRST_DELAY * (0.75 + Math.random() / 2);
    const made = new ReconnectingWebSocket(url, undefined, {
      minReconnectionDelay: first,
      maxReconnectionDelay: LONGEST_DELAY,
      reconnectionDelayGrowFactor: GROWTH,
      connectionTimeout: 8000,
      // Ended by the platform for good: the job does not exist. Everything else is worth another try.
      shouldReconnectOnClose: (event) => event.code !== POLICY_VIOLATION,
    });
    // A socket that was given up has nothing more to say.
    const current = () => socket === made;
    made.addEventListener("open", () => current() && on.connection({ status: "live", retryAt: null }));
    made.addEventListener("close", (event) => {
      if (!current()) return;
      if (event.code === POLICY_VIOLATION) on.connection({ status: "ended", retryAt: null });
      else on.connection({ status: "paused", retryAt: Date.now() + delay(made.retryCount, first) });
    });
    made.addEventListener("message", (event) => {
      if (!current()) return;
      gathered.push(JSON.parse(String(event.data)) as JobEvent);
      timer ??= setTimeout(flush, GATHER_MS);
    });
    socket = made;
  }

  function shut() {
    const old = socket;
    socket = null;
    old?.close();
  }

  open();
  return {
    retryNow: () => {
      shut();
      on.connection({ status: "connecting", retryAt: null });
      open();
    },
    close: () => {
      clearTimeout(timer);
      shut();
    },
  };
}
