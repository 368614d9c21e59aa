import { Link, useNavigate } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { toast } from "sonner";
import type { Dataset, Framework, Job, PatchStep } from "../../generated/api";
import { forgetDraft, keptDraft, useTrainingForm } from "../../hooks/useTrainingForm";
import { BLANK, type FormValues, fieldId, fromConfig, toConfig } from "../../lib/form";
import { differences, patched } from "../../lib/job";
import { Diff } from "../Diff";
import { Button, Card, linkClass, PageHead } from "../ui";
import { CheckCard } from "./CheckCard";
import { DatasetChoice, FrameworkChoice, ModelChoice, WeightsChoice } from "./Choices";
import { Exclude } from "./Exclude";
import { TextInput } from "./Fields";
import { How } from "./How";
import { Settings } from "./Settings";
import { Summary } from "./Summary";
import { Templates } from "./Templates";

/** What the API takes where a request names no framework. */
const USUAL = "ultralytics";

interface Start {
  values: FormValues;
  touched: string[];
  /** The job whose configuration it begins with. */
  from: Job | null;
}

/** What the form begins with: a job's configuration, a data set, or what was typed before. */
function startOf(
  job: Job | null,
  patch: PatchStep[],
  datasetId: string | undefined,
  frameworks: Framework[],
): Start {
  if (job)
    return { values: fromConfig(patched(job.config, patch)), touched: Object.keys(job.config), from: job };
  const kept = keptDraft();
  const living = frameworks.filter((item) => item.agents > 0);
  const first = living.find((item) => item.framework === USUAL) ?? living[0] ?? frameworks[0];
  const base = kept?.values ?? { ...BLANK, framework: first?.framework ?? "" };
  const values = datasetId
    ? { ...base, dataset_id: datasetId, exclude_invalid_files: false, val_fraction: "" }
    : base;
  return {
    values: patch.length ? fromConfig(patched(toConfig(values, undefined), patch)) : values,
    touched: kept?.touched ?? [],
    from: null,
  };
}

interface FormProps {
  search: { fix?: string; dataset?: string; dataset_fix?: string };
  frameworks: Framework[];
  datasets: Dataset[];
  job: Job | null;
}

export function TrainingForm({ search, frameworks, datasets, job }: FormProps) {
  const navigate = useNavigate();
  // Decided once: later answers must not take away what was typed since.
  const [start] = useState(() => {
    const fixes = job
      ? job.error?.fixes
      : datasets.find((item) => item.dataset_id === search.dataset)?.error?.fixes;
    const wanted = job ? search.fix : search.dataset_fix;
    return startOf(job, fixes?.find((fix) => fix.id === wanted)?.patch ?? [], search.dataset, frameworks);
  });
  const form = useTrainingForm(frameworks, start);
  const [refused, setRefused] = useState(false);
  // The check of what was typed last may be told a little after the refusal: the focus follows as soon as a field is wrong.
  const wantsFocus = useRef(false);
  useEffect(() => {
    if (wantsFocus.current && focusFirstInvalid()) wantsFocus.current = false;
  });
  const dataset = datasets.find((item) => item.dataset_id === form.values.dataset_id);

  const focus = (place: string) => {
    const field = document.getElementById(fieldId(place));
    field?.scrollIntoView({ block: "center" });
    field?.focus();
  };
  const send = () =>
    form.submit.mutate(undefined, {
      onSuccess: (made) => {
        if (made) {
          forgetDraft();
          toast.success(`${made.job_id} started`);
          navigate({ to: "/jobs/$jobId", params: { jobId: made.job_id } });
        } else {
          setRefused(true);
          wantsFocus.current = true;
        }
      },
    });
  return (
    <>
      <PageHead
        title="New training"
        above={
          job && (
            <>
              With the settings of{" "}
              <Link to="/jobs/$jobId" params={{ jobId: job.job_id }} className={linkClass}>
                {job.job_id}
              </Link>
            </>
          )
        }
      >
        <Templates from={job} />
        {!job && (
          <Button
            small
            look="ghost"
            onClick={() => {
              forgetDraft();
              location.assign("/new");
            }}
          >
            Start over
          </Button>
        )}
      </PageHead>
      {job && (
        <Card title={`Changes against ${job.job_id}`} id="changes" className="mb-4">
          <Diff
            changes={differences(compact(job.config), compact(form.config))}
            empty="Nothing is changed yet."
          />
        </Card>
      )}
      {refused && form.errors.length > 0 && <Summary errors={form.errors} onField={focus} />}
      <form
        noValidate
        aria-label="New training"
        className="grid gap-4 lg:grid-cols-[minmax(0,1fr)_22rem]"
        onSubmit={(event) => {
          event.preventDefault();
          if (form.values.dataset_id && form.values.model) send();
          else focus(form.values.dataset_id ? "model" : "dataset_id");
        }}
      >
        <div className="flex min-w-0 flex-col gap-4">
          <Card id="what" title="What to train">
            <div className="grid gap-4 sm:grid-cols-2">
              <DatasetChoice form={form} datasets={datasets} />
              <FrameworkChoice form={form} frameworks={frameworks} />
              <ModelChoice form={form} task={dataset?.task ?? null} />
              <WeightsChoice form={form} />
              <TextInput
                form={form}
                name="name"
                label="Name"
                placeholder="A label of your own"
                hint="By which you find the job again"
              />
            </div>
            <Exclude form={form} dataset={dataset} />
          </Card>
          <How form={form} />
          <Settings form={form} />
        </div>
        <CheckCard form={form} onField={focus} />
      </form>
    </>
  );
}

function focusFirstInvalid(): boolean {
  const field = document.querySelector<HTMLElement>("[aria-invalid=true]");
  field?.scrollIntoView({ block: "center" });
  field?.focus();
  return field !== null;
}

/** A configuration without what is at its neutral value, so that a comparison shows changes only. */
function compact(config: object): object {
  return Object.fromEntries(
    Object.entries(config).filter(([key, value]) => {
      if (value === null || value === undefined || value === false) return false;
      return !(key === "settings" && Object.keys(value as object).length === 0);
    }),
  );
}
