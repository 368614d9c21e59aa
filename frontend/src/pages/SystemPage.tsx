import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { CheckCircle2, TriangleAlert } from "lucide-react";
import { Alerts } from "../components/Alerts";
import { Code } from "../components/Code";
import { CardError, PageError } from "../components/Failures";
import { Helpful } from "../components/Helpful";
import { RefetchBanner } from "../components/RefetchBanner";
import { AgentCard } from "../components/System";
import { DependencyRows } from "../components/SystemDependency";
import { Usage } from "../components/Usage";
import { buttonClass, Card, Empty, Facts, Loading, PageHead, Progress } from "../components/ui";
import type { DegradedPart, SystemStatus } from "../generated/api";
import { useTitle } from "../hooks/useTitle";
import { bytes } from "../lib/format";
import { nextLook, pace } from "../lib/pace";
import { api } from "../services/api";

const EVERY = 3000;

export function SystemPage() {
  useTitle("System");
  const status = useQuery({
    queryKey: ["system"],
    queryFn: api.system,
    refetchInterval: ({ state }) => pace(EVERY, state),
  });
  if (!status.data) {
    return status.error ? (
      <PageError error={status.error} onRetry={() => status.refetch()} />
    ) : (
      <Loading what="the system" />
    );
  }
  return (
    <>
      <PageHead title="System">
        <Health status={status.data} />
        <Link to="/rules" className={buttonClass("secondary", true)}>
          Rules of the diagnosis
        </Link>
      </PageHead>
      {status.error && (
        <RefetchBanner
          error={status.error}
          failedAt={status.errorUpdatedAt}
          dataAt={status.dataUpdatedAt}
          retryAt={nextLook(EVERY, status)}
          onRetry={() => status.refetch()}
        />
      )}
      <WithLess parts={status.data.degraded} />
      <div className="grid gap-4 lg:grid-cols-2">
        <div className="flex min-w-0 flex-col gap-4">
          <Agents status={status.data} />
          <Usage />
          <Helpful />
        </div>
        <div className="flex min-w-0 flex-col gap-4">
          <Alerts />
          <Platform status={status.data} />
          <Dependencies />
        </div>
      </div>
    </>
  );
}

function Agents({ status }: { status: SystemStatus }) {
  return (
    <Card id="agents" title="Agents" flush>
      {status.agents.length ? (
        <div className="divide-y divide-line">
          {status.agents.map((agent) => (
            <AgentCard key={agent.agent_id} agent={agent} />
          ))}
        </div>
      ) : (
        <NoAgents status={status} />
      )}
    </Card>
  );
}

function NoAgents({ status }: { status: SystemStatus }) {
  if (status.open_jobs === null)
    return <Empty title="Not known now">The database, which knows the agents, does not answer.</Empty>;
  return <Empty title="No agent has reported yet">Jobs wait until one does. vtp up starts one.</Empty>;
}

/** What is done without at the moment; nothing is shown while all works. */
function WithLess({ parts }: { parts: DegradedPart[] }) {
  if (!parts.length) return null;
  return (
    <Card id="with-less" title="Working with less" flush className="mb-4 border-l-4 border-l-warn">
      <div role="status">
        <ul className="divide-y divide-line">
          {parts.map((part) => (
            <li key={part.name} className="flex items-start gap-2 px-4 py-2.5">
              <TriangleAlert aria-hidden className="mt-0.5 size-4 shrink-0 text-warn" />
              <p>
                <strong className="font-medium">{part.what}.</strong>{" "}
                <span className="text-soft">
                  <Code text={part.means} />
                </span>
              </p>
            </li>
          ))}
        </ul>
      </div>
    </Card>
  );
}

function Health({ status }: { status: SystemStatus }) {
  const good = status.status === "ok";
  const Icon = good ? CheckCircle2 : TriangleAlert;
  return (
    <span className={`flex items-center gap-1.5 font-medium ${good ? "text-good" : "text-warn"}`}>
      <Icon aria-hidden className="size-5" /> {good ? "Ready to train" : "Not everything works"}
    </span>
  );
}

function Platform({ status }: { status: SystemStatus }) {
  const { free_bytes, total_bytes } = status.disk;
  const used = total_bytes ? 1 - free_bytes / total_bytes : 0;
  return (
    <Card id="platform" title="Platform">
      <Facts
        items={[
          ["Version", status.version],
          ["Open jobs", String(status.open_jobs ?? "–")],
          ["Disk", `${bytes(free_bytes)} of ${bytes(total_bytes)} free`],
        ]}
      />
      <div className="mt-2">
        <Progress value={used} label="Disk in use" />
      </div>
    </Card>
  );
}

function Dependencies() {
  const found = useQuery({
    queryKey: ["dependencies"],
    queryFn: api.dependencies,
    refetchInterval: ({ state }) => pace(EVERY, state),
  });
  return (
    <Card id="dependencies" title="What the platform depends on" flush>
      {found.error && !found.data && <CardError error={found.error} onRetry={() => found.refetch()} />}
      {!found.data && !found.error && <Loading what="dependencies" />}
      {found.data && <DependencyRows items={found.data.items} />}
    </Card>
  );
}
