import type { Dataset } from "../../generated/api";
import type { TrainingForm } from "../../hooks/useTrainingForm";
import { fieldId } from "../../lib/form";

/** Whether to do without the files that the data set's report found broken. */
export function Exclude({ form, dataset }: { form: TrainingForm; dataset: Dataset | undefined }) {
  if (!dataset?.excludable && !form.values.exclude_invalid_files) return null;
  const count = dataset?.excludable;
  return (
    <label className="mt-4 flex items-start gap-2">
      <input
        type="checkbox"
        id={fieldId("exclude_invalid_files")}
        className="mt-1 size-4 accent-accent"
        checked={form.values.exclude_invalid_files}
        onChange={(event) => form.setExclude(event.target.checked)}
      />
      <span>
        {count
          ? `Train without the ${count} files that the report found broken`
          : "Train without files that the report found broken"}
      </span>
    </label>
  );
}
