// Files on their way to the backend, with how far they are.

import type { Weights } from "../generated/api";
import { ApiError, isErrorResponse, query, unreachable } from "./api";

interface Sending {
  method?: "POST" | "PATCH";
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** Sends a file with progress from 0 to 1; fetch cannot tell how much of a body has left. */
export function send<T>(
  path: string,
  file: Blob,
  onProgress: (share: number) => void,
  { method = "POST", headers = {}, signal }: Sending = {},
): Promise<T> {
  return new Promise((resolve, reject) => {
    const sender = new XMLHttpRequest();
    sender.open(method, `/api/v1${path}`);
    sender.setRequestHeader("Content-Type", "application/octet-stream");
    for (const [name, value] of Object.entries(headers)) sender.setRequestHeader(name, value);
    sender.onabort = () => reject(signal?.reason);
    const stop = () => sender.abort();
    signal?.addEventListener("abort", stop, { once: true });
    sender.onloadend = () => signal?.removeEventListener("abort", stop);
    sender.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    sender.onerror = () => reject(unreachable());
    sender.onload = () => {
      let body: unknown = null;
      try {
        body = JSON.parse(sender.responseText);
      } catch {
        reject(unreachable());
        return;
      }
      if (sender.status < 400) resolve(body as T);
      else reject(isErrorResponse(body) ? new ApiError(body, sender.status) : unreachable());
    };
    sender.send(file);
  });
}

export const uploadWeights = (name: string, file: Blob, onProgress: (share: number) => void) =>
  send<Weights>(`/weights${query({ name })}`, file, onProgress);
