import { toast } from "sonner";
import { ApiError } from "../services/api";
import { situationOf, toastStays } from "./presentation";

/** Tells of an own action that failed, in a toast of the error's own words; the same trace only once.
 *
 * It is never the only place: what was acted on shows the error too.
 */
export function tell(error: Error) {
  // What is no answer of the platform is a fault of this page, and the nearest boundary's to show.
  if (!(error instanceof ApiError)) throw error;
  const situation = situationOf(error, "action");
  if (situation === "session-expired") return;
  const show = error.type === "user_error" ? toast.warning : toast.error;
  // A known system error says what happened and what to do; a general text would take both away.
  const plain = (text: string | undefined) => text?.replaceAll("`", "");
  show(plain(error.message), {
    id: error.traceId || error.code,
    description: plain(error.suggestedAction),
    duration: toastStays(situation),
  });
}
