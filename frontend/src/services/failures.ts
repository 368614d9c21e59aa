// What can be asked about a failed job beyond the job itself.

import type { BundlePreview, FeedbackCounts, FeedbackView, SimilarFailures } from "../generated/api";
import { jobPath, request } from "./api";

export const failures = {
  similar: (id: string) => request<SimilarFailures>("GET", `${jobPath(id)}/similar`),
  feedbackCounts: () => request<FeedbackCounts>("GET", "/errors/feedback"),
  feedback: (id: string) => request<FeedbackView>("GET", `${jobPath(id)}/feedback`),
  giveFeedback: (id: string, helped: boolean) =>
    request<FeedbackView>("PUT", `${jobPath(id)}/feedback`, { helped }),
  supportPreview: (id: string) => request<BundlePreview>("GET", `${jobPath(id)}/support-bundle/preview`),
  supportUrl: (id: string) => `/api/v1${jobPath(id)}/support-bundle`,
};
