import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Trash2 } from "lucide-react";
import { useState } from "react";
import { Dialog } from "../components/Dialog";
import { ErrorAlert } from "../components/ErrorAlert";
import { PageError } from "../components/Failures";
import { RuleForm } from "../components/RuleForm";
import { Ago, Button, Card, Empty, Loading, linkClass, PageHead } from "../components/ui";
import type { Rule } from "../generated/api";
import { useTitle } from "../hooks/useTitle";
import { tell } from "../lib/tell";
import { ApiError, api } from "../services/api";

export function RulesPage() {
  useTitle("Rules");
  const rules = useQuery({ queryKey: ["rules"], queryFn: async () => (await api.rules()).items });
  return (
    <>
      <PageHead
        title="Rules of the diagnosis"
        above={
          <Link to="/system" className={linkClass}>
            System
          </Link>
        }
      />
      <p className="-mt-2 mb-4 max-w-prose text-soft">
        A rule looks for a line in the log of a failed training and says what it means: which code the failure
        has, that another try cannot help, or that another machine should try. Rules apply from the next
        failure on, in this order.
      </p>
      <div className="grid gap-4 lg:grid-cols-2">
        <Card id="new-rule" title="New rule" className="self-start">
          <RuleForm />
        </Card>
        <Card id="rules" title="Rules" flush className="self-start">
          {rules.error && !rules.data && <PageError error={rules.error} onRetry={() => rules.refetch()} />}
          {rules.isLoading && <Loading what="rules" />}
          {rules.data?.length === 0 && (
            <Empty title="No rule yet">The built-in diagnosis works without any.</Empty>
          )}
          {rules.data && rules.data.length > 0 && (
            <ol className="divide-y divide-line">
              {rules.data.map((rule) => (
                <RuleRow key={rule.rule_id} rule={rule} />
              ))}
            </ol>
          )}
        </Card>
      </div>
    </>
  );
}

function effects(rule: Rule): string {
  return [rule.code, rule.stop && "no retry", rule.exclude_node && "another machine"]
    .filter(Boolean)
    .join(", ");
}

function RuleRow({ rule }: { rule: Rule }) {
  const [asking, setAsking] = useState(false);
  const client = useQueryClient();
  const remove = useMutation({
    mutationFn: () => api.removeRule(rule.rule_id),
    onSuccess: () => client.invalidateQueries({ queryKey: ["rules"] }),
    onError: tell,
  });
  return (
    <li className="flex items-start justify-between gap-3 px-4 py-3">
      <div className="min-w-0">
        <p className="font-medium">{rule.label}</p>
        <code className="block rounded bg-hover px-1.5 py-0.5 font-mono text-[13px] break-all">
          {rule.pattern}
        </code>
        <p className="mt-1 text-[13px] text-soft">
          means {effects(rule)} · by {rule.created_by}, <Ago at={rule.created_at} />
        </p>
        <p className="text-[13px] text-soft">
          {rule.hits === 0 ? "no hit yet" : `${rule.hits} ${rule.hits === 1 ? "hit" : "hits"}`}
          {rule.last_hit_job && (
            <>
              , last on{" "}
              <Link to="/jobs/$jobId" params={{ jobId: rule.last_hit_job }} className={linkClass}>
                {rule.last_hit_job}
              </Link>{" "}
              <Ago at={rule.last_hit_at} />
            </>
          )}
        </p>
      </div>
      <Button
        small
        look="danger"
        onClick={() => setAsking(true)}
        aria-label={`Delete the rule ${rule.label}`}
      >
        <Trash2 aria-hidden className="size-4" />
      </Button>
      {asking && (
        <Dialog title={`Delete the rule ${rule.label}?`} onClose={() => setAsking(false)}>
          <p>It is not asked any more. Verdicts that it took part in stay.</p>
          {remove.error instanceof ApiError && (
            <div className="mt-3">
              <ErrorAlert error={remove.error} onRetry={() => remove.mutate()} />
            </div>
          )}
          <div className="mt-4 flex justify-end gap-2">
            <Button onClick={() => setAsking(false)}>Keep it</Button>
            <Button look="danger" busy={remove.isPending} onClick={() => remove.mutate()}>
              Delete
            </Button>
          </div>
        </Dialog>
      )}
    </li>
  );
}
