// Groups of failures: what fails, how often, whom it hits, and what is done about it.

import type { Digest, GroupDetail, GroupPage, OccurrencePage, StateChange } from "../generated/api";
import { query, request } from "./api";

export interface GroupQuery {
  state?: string[];
  source?: string;
  code?: string;
  causer?: string;
  q?: string;
  entity?: string;
  job_id?: string;
  since?: string;
  until?: string;
  sort?: string;
  limit?: number;
  cursor?: string;
}

const path = (id: string) => `/errors/groups/${encodeURIComponent(id)}`;

export const errorGroups = {
  page: (wanted: GroupQuery) => request<GroupPage>("GET", `/errors/groups${query({ ...wanted })}`),
  one: (id: string) => request<GroupDetail>("GET", path(id)),
  occurrences: (id: string, limit: number, cursor?: string) =>
    request<OccurrencePage>("GET", `${path(id)}/occurrences${query({ limit, cursor })}`),
  setState: (id: string, change: StateChange) => request<GroupDetail>("POST", `${path(id)}/state`, change),
  digest: () => request<Digest>("GET", "/errors/digest"),
};
