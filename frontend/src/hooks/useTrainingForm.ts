// The state of the form: kept over reloads, checked as it changes, sent once however often the button is pressed.

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import type {
  Fix,
  Framework,
  Job,
  PatchStep,
  PublicError,
  TrainingConfig,
  Validation,
} from "../generated/api";
import {
  BLANK,
  type FormValues,
  fieldErrors,
  fieldFixes,
  fromConfig,
  type TextField,
  toConfig,
  withDefaults,
} from "../lib/form";
import { patchBetween, patched } from "../lib/job";
import { keyFor, NO_KEY } from "../lib/requestKey";
import { ApiError, api } from "../services/api";

const KEPT = "vtp-new-training";
const PAUSE = 400;

interface Kept {
  values: FormValues;
  touched: string[];
}

export function keptDraft(): Kept | null {
  const text = sessionStorage.getItem(KEPT);
  if (!text) return null;
  try {
    const kept = JSON.parse(text) as Kept;
    return { values: { ...BLANK, ...kept.values }, touched: kept.touched };
  } catch {
    // A draft that cannot be read is worth nothing, and must not keep the form from opening.
    sessionStorage.removeItem(KEPT);
    return null;
  }
}

export const forgetDraft = () => sessionStorage.removeItem(KEPT);

function useSettled<T>(value: T): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), PAUSE);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
}

export interface Check {
  errors: PublicError[];
  warnings: PublicError[];
  config: Validation["config"];
  memory: Validation["memory"];
  /** The check itself could not be made. */
  failure: ApiError | null;
}

async function check(config: Partial<TrainingConfig>): Promise<Check> {
  try {
    const found = await api.validate(config);
    return {
      errors: found.errors,
      warnings: found.warnings,
      config: found.config,
      memory: found.memory,
      failure: null,
    };
  } catch (error) {
    // A body that does not even have the right shape is refused as a whole, with all its fields named.
    if (error instanceof ApiError && error.fields.length > 0) {
      return { errors: [error.shown], warnings: [], config: null, memory: null, failure: null };
    }
    throw error;
  }
}

interface Beginning {
  values: FormValues;
  /** Fields that the user, or the job it begins with, has set: the framework's values do not replace them. */
  touched: string[];
  /** The job whose configuration it begins with. */
  from: Job | null;
}

export function useTrainingForm(frameworks: Framework[], start: Beginning) {
  const keep = start.from === null;
  const retryOf = start.from && ["failed", "cancelled"].includes(start.from.status) ? start.from : null;
  const client = useQueryClient();
  const [touched, setTouched] = useState<ReadonlySet<string>>(() => new Set(start.touched));
  const [values, setValues] = useState(start.values);
  const framework = frameworks.find((item) => item.framework === values.framework);

  useEffect(() => {
    if (keep) sessionStorage.setItem(KEPT, JSON.stringify({ values, touched: [...touched] } satisfies Kept));
  }, [keep, values, touched]);

  const touch = useCallback((field: string) => setTouched((old) => new Set(old).add(field)), []);
  const set = useCallback(
    (field: TextField, value: string) => {
      if (field !== "model" && field !== "framework") touch(field);
      setValues((old) => {
        const next = { ...old, [field]: value };
        if (field === "framework") Object.assign(next, { model: "", settings: {} });
        const offered = frameworks.find((item) => item.framework === next.framework);
        return field === "model" ? withDefaults(next, offered, new Set([...touched])) : next;
      });
    },
    [frameworks, touch, touched],
  );
  const setSetting = (name: string, value: string) =>
    setValues((old) => ({ ...old, settings: { ...old.settings, [name]: value } }));
  const setExclude = (value: boolean) => setValues((old) => ({ ...old, exclude_invalid_files: value }));
  const apply = (patch: PatchStep[]) => {
    for (const step of patch) touch(step.path.split("/")[1] ?? "");
    setValues((old) => fromConfig(patched(toConfig(old, framework), patch)));
  };
  const applyFix = (fix: Fix) => apply(fix.patch);

  const config = useMemo(() => toConfig(values, framework), [values, framework]);
  const settled = useSettled(config);
  const complete = Boolean(settled.model && settled.dataset_id);
  const checked = useQuery({
    queryKey: ["validate", settled],
    queryFn: () => check(settled),
    enabled: complete,
    staleTime: 0,
    placeholderData: (old) => old,
  });

  const key = useRef(NO_KEY);
  const submit = useMutation({
    mutationFn: async () => {
      const found = await client.fetchQuery({
        queryKey: ["validate", config],
        queryFn: () => check(config),
        staleTime: 0,
      });
      if (found.errors.length) return null;
      key.current = keyFor(key.current, config);
      // Tried again with changes, the new job is the old one's successor, and both say so.
      if (retryOf)
        return api.retry(retryOf.job_id, { patch: patchBetween(retryOf.config, config) }, key.current.key);
      return api.submit(config, key.current.key);
    },
  });

  const latest =
    submit.error instanceof ApiError && submit.error.fields.length > 0 ? [submit.error.shown] : [];
  const errors = complete ? (checked.data?.errors ?? []) : [];
  return {
    values,
    framework,
    config,
    set,
    setSetting,
    setExclude,
    apply,
    applyFix,
    checked,
    checking: checked.isFetching || settled !== config,
    errors,
    fields: fieldErrors([...errors, ...latest]),
    fixes: fieldFixes([...errors, ...latest, ...(checked.data?.warnings ?? [])]),
    submit,
    complete,
  };
}

export type TrainingForm = ReturnType<typeof useTrainingForm>;
