// Groups of failures: the list, page after page, one of them, its occurrences, and the change of its state.

import {
  type InfiniteData,
  keepPreviousData,
  useInfiniteQuery,
  useMutation,
  useQuery,
  useQueryClient,
} from "@tanstack/react-query";
import type { GroupDetail, GroupPage, GroupView, StateChange } from "../generated/api";
import { asked } from "../lib/errorGroups";
import { pace } from "../lib/pace";
import { tell } from "../lib/tell";
import type { FailureSearch } from "../router";
import { errorGroups } from "../services/errorGroups";

const PAGE = 50;
const KEPT = 20;
/** Each page that is shown is asked for again, so long lists are renewed less often. */
export const EVERY = 5000;

const keys = {
  list: ["failures", "list"],
  one: (id: string) => ["failures", "one", id],
  occurrences: (id: string) => ["failures", "occurrences", id],
};

const following = (page: { next_cursor: string | null }) => page.next_cursor ?? undefined;
const every = (pages: unknown[] | undefined) => EVERY * Math.max(1, pages?.length ?? 1);
export const renewed = (data: { pages: unknown[] } | undefined) => every(data?.pages);

export function useErrorGroups(wanted: FailureSearch) {
  return useInfiniteQuery({
    queryKey: [...keys.list, wanted],
    queryFn: ({ pageParam }) =>
      errorGroups.page({ ...asked(wanted, Date.now()), cursor: pageParam, limit: PAGE }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: following,
    refetchInterval: ({ state }) => pace(renewed(state.data), state),
    // What was shown stays until the answer to another question is there.
    placeholderData: keepPreviousData,
  });
}

/** Each group once: one that is seen while pages are read moves up and would come twice. */
export function distinct(pages: GroupPage[]): GroupView[] {
  return [...new Map(pages.flatMap((page) => page.items).map((group) => [group.group_id, group])).values()];
}

export function useErrorGroup(id: string, live = true) {
  return useQuery({
    queryKey: keys.one(id),
    queryFn: () => errorGroups.one(id),
    refetchInterval: ({ state }) => live && pace(EVERY, state),
  });
}

export function useGroupOccurrences(id: string) {
  return useInfiniteQuery({
    queryKey: keys.occurrences(id),
    queryFn: ({ pageParam }) => errorGroups.occurrences(id, KEPT, pageParam),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: following,
    refetchInterval: ({ state }) => pace(renewed(state.data), state),
  });
}

const expected = (old: GroupDetail, change: StateChange): GroupDetail => {
  const now = new Date().toISOString();
  const note = change.note ?? null;
  const history = [{ at: now, state: change.state, by: null, note }, ...old.history];
  return { ...old, state: change.state, state_at: now, state_by: null, note, history };
};

type Lists = InfiniteData<GroupPage, string | undefined>;

/** Changes the state of a group: shown at once, taken back where the platform refuses. */
export function useGroupState(group: GroupDetail) {
  const client = useQueryClient();
  const one = keys.one(String(group.group_id));
  return useMutation({
    mutationFn: (change: StateChange) => errorGroups.setState(String(group.group_id), change),
    onMutate: async (change) => {
      await client.cancelQueries({ queryKey: one });
      const before = client.getQueryData<GroupDetail>(one);
      client.setQueryData<GroupDetail>(one, (old) => old && expected(old, change));
      return { before };
    },
    onSuccess: (fresh) => {
      client.setQueryData(one, fresh);
      client.setQueriesData<Lists>({ queryKey: keys.list }, (old) => old && withGroup(old, fresh));
      client.invalidateQueries({ queryKey: keys.list });
    },
    onError: (error, _change, kept) => {
      client.setQueryData(one, kept?.before);
      tell(error);
    },
  });
}

function withGroup(old: Lists, fresh: GroupDetail): Lists {
  const state = { state: fresh.state, state_at: fresh.state_at, state_by: fresh.state_by, note: fresh.note };
  const pages = old.pages.map((page) => ({
    ...page,
    items: page.items.map((item) => (item.group_id === fresh.group_id ? { ...item, ...state } : item)),
  }));
  return { ...old, pages };
}
