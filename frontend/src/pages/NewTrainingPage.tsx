import { useQuery } from "@tanstack/react-query";
import { Link, useSearch } from "@tanstack/react-router";
import { PageError } from "../components/Failures";
import { TrainingForm } from "../components/form/TrainingForm";
import { buttonClass, Card, Empty, Loading } from "../components/ui";
import { useTitle } from "../hooks/useTitle";
import { pace } from "../lib/pace";
import { api } from "../services/api";

const CHECKING = 1000;

export function NewTrainingPage() {
  const search = useSearch({ from: "/new" });
  useTitle("New training");
  const frameworks = useQuery({
    queryKey: ["frameworks"],
    queryFn: async () => (await api.frameworks()).items,
  });
  const datasets = useQuery({
    queryKey: ["datasets"],
    queryFn: async () => (await api.datasets()).items,
    // A data set may be chosen while its report is still being made.
    refetchInterval: ({ state }) =>
      state.data?.some((item) => item.status === "checking") ? pace(CHECKING, state) : false,
  });
  const job = useQuery({
    queryKey: ["job", search.from],
    queryFn: () => api.job(search.from ?? ""),
    enabled: Boolean(search.from),
  });
  const error = frameworks.error ?? datasets.error ?? (search.from ? job.error : null);
  const ready = frameworks.data && datasets.data && (!search.from || job.data);
  if (ready && frameworks.data.length === 0) {
    return (
      <Card>
        <Empty
          title="No agent has reported yet"
          action={
            <Link to="/system" className={buttonClass()}>
              System
            </Link>
          }
        >
          What can be trained is told by agents. Start one, with vtp up or vtp-agent, and it appears here.
        </Empty>
      </Card>
    );
  }
  if (ready) {
    const key = JSON.stringify(search);
    return (
      <TrainingForm
        key={key}
        search={search}
        frameworks={frameworks.data}
        datasets={datasets.data}
        job={(search.from && job.data) || null}
      />
    );
  }
  if (error) {
    return (
      <PageError
        error={error}
        onRetry={() => {
          for (const query of [frameworks, datasets, job]) if (query.error) query.refetch();
        }}
      />
    );
  }
  return <Loading what="the form" rows={6} />;
}
