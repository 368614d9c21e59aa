// The names under which a job's data are kept while the page is open.

export const jobKeys = {
  job: (id: string) => ["job", id],
  attempts: (id: string) => ["job", id, "attempts"],
  metrics: (id: string) => ["job", id, "metrics"],
  artifacts: (id: string) => ["job", id, "artifacts"],
};
