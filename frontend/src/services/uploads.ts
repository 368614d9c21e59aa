// A data set sent in pieces. A cut connection is waited out; after a reload the same file, chosen again, goes on.

import type { Upload } from "../generated/api";
import { ApiError, type Items, query, request } from "./api";
import { send } from "./sending";

const LONGEST_WAIT_MS = 15_000;

/** Where a sending is: how much is there for good, and since when and until when it waits for the platform. */
export interface Standing {
  sent: number;
  waiting: { error: ApiError; until: number } | null;
}

export const uploads = {
  unfinished: () => request<Items<Upload>>("GET", "/uploads"),
  begin: (name: string, file: File) =>
    request<Upload>("POST", "/uploads", { name, bytes: file.size, modified: file.lastModified }),
  get: (id: string) => request<Upload>("GET", `/uploads/${id}`),
  discard: (id: string) => request<void>("DELETE", `/uploads/${id}`),
};

/** The upload that this file is the rest of, by name, size and the file's own time. */
export function restOf(file: File, name: string, known: Upload[]): Upload | undefined {
  return known.find(
    (item) => item.bytes === file.size && item.name === name && item.modified === file.lastModified,
  );
}

/** The piece's SHA-256; none where the page is no secure context, which keeps browsers from it. */
async function checksum(piece: Blob): Promise<Record<string, string>> {
  if (!globalThis.crypto?.subtle) return {};
  const digest = await crypto.subtle.digest("SHA-256", await piece.arrayBuffer());
  const hex = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
  return { "X-Content-SHA256": hex };
}

export function pauseAfter(error: ApiError, failures: number): number {
  return Math.max((error.retryAfter ?? 0) * 1000, Math.min(LONGEST_WAIT_MS, 1000 * 2 ** (failures - 1)));
}

const wait = (ms: number, signal: AbortSignal) =>
  new Promise<void>((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal.addEventListener("abort", stop, { once: true });
  });

/** What to do about a refused piece: one that is not the next, or that arrived changed, is no end. */
const goesOn = (error: ApiError) =>
  error.retryable || error.code === "CONFLICT" || error.fields.some((field) => field.code === "checksum");

/** Sends what is missing of an upload, however often the connection breaks; resolves with the data set's id. */
export async function sendRest(
  upload: Upload,
  file: Blob,
  tell: (standing: Standing) => void,
  signal: AbortSignal,
): Promise<string> {
  let at = upload;
  let failures = 0;
  while (at.dataset_id === null) {
    const piece = file.slice(at.offset, at.offset + at.piece_bytes);
    const { offset } = at;
    try {
      const headers = await checksum(piece);
      signal.throwIfAborted();
      at = await send<Upload>(
        `/uploads/${at.upload_id}${query({ offset: String(offset) })}`,
        piece,
        (share) => tell({ sent: offset + share * piece.size, waiting: null }),
        { method: "PATCH", headers, signal },
      );
      failures = 0;
      tell({ sent: at.offset, waiting: null });
    } catch (error) {
      if (!(error instanceof ApiError) || !goesOn(error)) throw error;
      failures += 1;
      const pause = pauseAfter(error, failures);
      tell({ sent: offset, waiting: { error, until: Date.now() + pause } });
      await wait(pause, signal);
      // How far it really came: the answer to a piece that had arrived may be what was lost.
      at = await uploads.get(at.upload_id).catch((again: unknown) => {
        if (again instanceof ApiError && again.retryable) return at;
        throw again;
      });
    }
  }
  return at.dataset_id;
}
