import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import type { Dataset, Framework } from "../../generated/api";
import type { TrainingForm } from "../../hooks/useTrainingForm";
import { countsText } from "../../lib/dataset";
import { labelOf, modelGroups, modelText } from "../../lib/form";
import { bytes } from "../../lib/format";
import { tell } from "../../lib/tell";
import { api } from "../../services/api";
import { uploadWeights } from "../../services/sending";
import { inputClass, linkClass } from "../ui";
import { Field } from "./Fields";

interface ChoiceProps {
  form: TrainingForm;
}

export function DatasetChoice({ form, datasets }: ChoiceProps & { datasets: Dataset[] }) {
  const chosen = datasets.find((item) => item.dataset_id === form.values.dataset_id);
  const unknown = form.values.dataset_id && !chosen;
  const hint = chosen ? (
    <>
      {countsText(chosen)}
      {chosen.errors > 0 && (
        <>
          {" · "}
          <Link to="/datasets/$datasetId" params={{ datasetId: chosen.dataset_id }} className={linkClass}>
            {chosen.errors} problems
          </Link>
        </>
      )}
    </>
  ) : (
    !datasets.length && (
      <>
        There are none yet:{" "}
        <Link to="/datasets" className={linkClass}>
          bring images
        </Link>
      </>
    )
  );
  return (
    <Field
      form={form}
      place="dataset_id"
      label={labelOf("dataset_id")}
      errors={form.fields.dataset_id}
      hint={hint}
    >
      {(props) => (
        <select
          {...props}
          className={inputClass}
          value={form.values.dataset_id}
          onChange={(event) => form.set("dataset_id", event.target.value)}
        >
          <option value="">Choose a data set</option>
          {unknown && <option value={form.values.dataset_id}>{form.values.dataset_id} (not there)</option>}
          {datasets.map((item) => (
            <option key={item.dataset_id} value={item.dataset_id} disabled={item.status === "failed"}>
              {item.name}
              {item.name !== item.dataset_id && ` (${item.dataset_id})`}
              {item.status === "invalid" && " – has problems"}
              {item.status === "failed" && " – unreadable"}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

export function FrameworkChoice({ form, frameworks }: ChoiceProps & { frameworks: Framework[] }) {
  const away = form.framework && form.framework.agents === 0;
  return (
    <Field
      form={form}
      place="framework"
      label="Framework"
      errors={form.fields.framework}
      hint={
        away
          ? "No living agent offers it now: the job would wait for one"
          : form.framework && `Version ${form.framework.version}`
      }
    >
      {(props) => (
        <select
          {...props}
          className={inputClass}
          value={form.values.framework}
          onChange={(event) => form.set("framework", event.target.value)}
        >
          {!form.framework && (
            <option value={form.values.framework}>{form.values.framework || "Choose a framework"}</option>
          )}
          {frameworks.map((item) => (
            <option key={item.framework} value={item.framework}>
              {item.framework} {item.agents === 0 && "(no agent)"}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

export function ModelChoice({ form, task }: ChoiceProps & { task: string | null }) {
  const groups = modelGroups(form.framework, task);
  const { model } = form.values;
  const known = form.framework?.models.find((item) => item.name === model);
  return (
    <Field
      form={form}
      place="model"
      label="Model"
      errors={form.fields.model}
      hint={
        task
          ? `For ${task === "classify" ? "classification" : task === "detect" ? "detection" : task}: what fits the data set comes first`
          : undefined
      }
    >
      {(props) => (
        <select
          {...props}
          className={inputClass}
          value={model}
          onChange={(event) => form.set("model", event.target.value)}
        >
          <option value="">Choose a model</option>
          {model && !known && <option value={model}>{model} (not offered)</option>}
          {groups.map((group) => (
            <optgroup key={group.label} label={group.label}>
              {group.models.map((item) => (
                <option key={item.name} value={item.name}>
                  {modelText(item)}
                </option>
              ))}
            </optgroup>
          ))}
        </select>
      )}
    </Field>
  );
}

/** Weights to start from: brought before, or brought now. */
export function WeightsChoice({ form }: ChoiceProps) {
  const client = useQueryClient();
  const [share, setShare] = useState<number | null>(null);
  const [refused, setRefused] = useState<string[]>([]);
  const weights = useQuery({ queryKey: ["weights"], queryFn: async () => (await api.weights()).items });
  if (!form.framework?.accepts_weights && !form.values.weights_id) return null;
  const bring = async (file: File | undefined) => {
    if (!file) return;
    setShare(0);
    setRefused([]);
    try {
      const stored = await uploadWeights(file.name, file, setShare);
      await client.invalidateQueries({ queryKey: ["weights"] });
      form.set("weights_id", stored.weights_id);
    } catch (error) {
      tell(error as Error);
      setRefused([(error as Error).message]);
    } finally {
      setShare(null);
    }
  };
  return (
    <Field
      form={form}
      place="weights_id"
      label={labelOf("weights_id")}
      errors={[...refused, ...(form.fields.weights_id ?? [])]}
      hint={
        share === null ? (
          <label className={`${linkClass} cursor-pointer focus-within:outline-2`}>
            Bring weights (.pt)
            <input
              type="file"
              accept=".pt"
              className="sr-only"
              onChange={(event) => bring(event.target.files?.[0])}
            />
          </label>
        ) : (
          `Sending, ${Math.round(share * 100)} %`
        )
      }
    >
      {(props) => (
        <select
          {...props}
          className={inputClass}
          value={form.values.weights_id}
          onChange={(event) => form.set("weights_id", event.target.value)}
        >
          <option value="">None: train from scratch</option>
          {weights.data?.map((item) => (
            <option key={item.weights_id} value={item.weights_id}>
              {item.name} ({bytes(item.bytes)})
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}
