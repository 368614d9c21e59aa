import { useQuery } from "@tanstack/react-query";
import { api } from "../services/api";

/** Whether the reader may do what only operators may; not before the platform has said so. */
export function useIsOperator(): boolean {
  const session = useQuery({ queryKey: ["session"], queryFn: api.session, staleTime: 60_000 });
  return session.data?.role === "operator";
}
