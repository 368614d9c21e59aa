// A rule is tried over stored failures before it may be added.

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useId, useState } from "react";
import { toast } from "sonner";
import type { DryRun, RuleDraft } from "../generated/api";
import { errorCodes } from "../generated/errorCodes";
import { fieldErrors } from "../lib/form";
import { ApiError, api } from "../services/api";
import { ErrorAlert } from "./ErrorAlert";
import { Field } from "./form/Fields";
import { Button, inputClass, linkClass } from "./ui";

const BLANK: RuleDraft = { label: "", pattern: "", code: null, stop: false, exclude_node: false };
const codes = Object.keys(errorCodes).filter(
  (code) => errorCodes[code as keyof typeof errorCodes].http === null,
);

export function RuleForm() {
  const client = useQueryClient();
  const [draft, setDraft] = useState(BLANK);
  const change = (some: Partial<RuleDraft>) => setDraft((old) => ({ ...old, ...some }));
  const sent = { ...draft, label: draft.label.trim() || "a rule" };
  const trial = useMutation({ mutationFn: api.tryRule });
  const add = useMutation({
    mutationFn: api.addRule,
    onSuccess: (rule) => {
      client.invalidateQueries({ queryKey: ["rules"] });
      toast.success(`${rule.label} is asked from now on`);
      setDraft(BLANK);
      trial.reset();
    },
  });
  const tried = trial.data && JSON.stringify(trial.variables) === JSON.stringify(sent) ? trial.data : null;
  const error = [trial.error, add.error].find((item) => item instanceof ApiError);
  const wrong = error instanceof ApiError ? fieldErrors([error.shown]) : {};
  return (
    <form
      noValidate
      className="flex flex-col gap-4"
      onSubmit={(event) => {
        event.preventDefault();
        if (tried) add.mutate(sent);
        else trial.mutate(sent);
      }}
    >
      <Field
        place="pattern"
        label="Pattern"
        errors={wrong.pattern}
        hint="A regular expression (RE2 syntax) that one line of the log matches"
      >
        {(props) => (
          <input
            {...props}
            className={`${inputClass} font-mono`}
            spellCheck={false}
            autoComplete="off"
            placeholder="driver version \d+ is known bad"
            value={draft.pattern}
            onChange={(event) => change({ pattern: event.target.value })}
          />
        )}
      </Field>
      <Field place="label" label="Label" errors={wrong.label} hint="Shown in the diagnosis">
        {(props) => (
          <input
            {...props}
            className={inputClass}
            value={draft.label}
            onChange={(event) => change({ label: event.target.value })}
          />
        )}
      </Field>
      <Field place="code" label="Code" errors={wrong.code}>
        {(props) => (
          <select
            {...props}
            className={inputClass}
            value={draft.code ?? ""}
            onChange={(event) => change({ code: event.target.value || null })}
          >
            <option value="">As the diagnosis finds</option>
            {codes.map((code) => (
              <option key={code} value={code}>
                {code}
              </option>
            ))}
          </select>
        )}
      </Field>
      <div className="flex flex-col gap-2">
        <Check
          label="Do not retry: the job ends as failed"
          checked={draft.stop}
          onChange={(stop) => change({ stop })}
        />
        <Check
          label="Keep the job's next attempts off this machine"
          checked={draft.exclude_node}
          onChange={(exclude_node) => change({ exclude_node })}
        />
      </div>
      {error instanceof ApiError && error.fields.length === 0 && <ErrorAlert error={error} />}
      {tried && <Trial found={tried} />}
      <div className="flex flex-wrap gap-2">
        <Button
          type="submit"
          look={tried ? "primary" : "secondary"}
          busy={trial.isPending || add.isPending}
          disabled={!draft.pattern}
        >
          {tried ? "Add the rule" : "Try it over stored failures"}
        </Button>
      </div>
    </form>
  );
}

function Check({
  label,
  checked,
  onChange,
}: {
  label: string;
  checked: boolean;
  onChange: (checked: boolean) => void;
}) {
  const id = useId();
  return (
    <label htmlFor={id} className="flex items-start gap-2">
      <input
        id={id}
        type="checkbox"
        className="mt-1 size-4 accent-accent"
        checked={checked}
        onChange={(event) => onChange(event.target.checked)}
      />
      {label}
    </label>
  );
}

function Trial({ found }: { found: DryRun }) {
  const jobs = new Set(found.hits.map((hit) => `${hit.job_id}/${hit.attempt}`)).size;
  return (
    <div role="status" className="rounded-md border border-line bg-hover px-3 py-2">
      <p className="font-medium">
        {found.hits.length
          ? `It would have hit ${jobs} of ${found.scanned} stored failures`
          : `No hit in ${found.scanned} stored failures`}
        {found.unreadable > 0 && `; ${found.unreadable} could not be read`}
      </p>
      <ul className="mt-1 flex max-h-60 flex-col gap-1 overflow-auto">
        {found.hits.map((hit) => (
          <li key={`${hit.job_id}/${hit.attempt}/${hit.line}`} className="text-[13px]">
            <Link
              to="/jobs/$jobId"
              params={{ jobId: hit.job_id }}
              search={{ attempt: hit.attempt }}
              className={linkClass}
            >
              {hit.job_id}
            </Link>{" "}
            <span className="text-soft">{hit.code}</span>{" "}
            <code className="font-mono break-all">{hit.text}</code>
          </li>
        ))}
      </ul>
    </div>
  );
}
