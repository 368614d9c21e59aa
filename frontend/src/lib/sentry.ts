// What the page takes of Sentry's SDK; a file of its own, so that the rest of it is left out of the page.

export {
  breadcrumbsIntegration,
  captureException,
  captureReactException,
  dedupeIntegration,
  httpContextIntegration,
  init,
  linkedErrorsIntegration,
} from "@sentry/react";
