// What the dry run says: everything wrong at once, with its remedies, or that all is well.

import { CheckCircle2, CircleX, LoaderCircle, TriangleAlert } from "lucide-react";
import type { PublicError } from "../../generated/api";
import type { ErrorCode } from "../../generated/errorCodes";
import type { TrainingForm } from "../../hooks/useTrainingForm";
import { remedies } from "../../lib/fixes";
import { fieldText, labelOf, placeOf } from "../../lib/form";
import { ApiError } from "../../services/api";
import { Code } from "../Code";
import { ErrorAlert } from "../ErrorAlert";
import { Button, Card, Facts, linkClass } from "../ui";
import { Memory } from "./Memory";

const INVALID_FIELDS: ErrorCode = "VALIDATION_FAILED";

/** Whether the message only repeats what is said at each field below it. */
const repeats = (error: PublicError) =>
  error.errors.length > 0 &&
  (error.code === INVALID_FIELDS || error.errors.some((field) => error.message.includes(field.message)));

interface CheckCardProps {
  form: TrainingForm;
  onField: (place: string) => void;
}

export function CheckCard({ form, onField }: CheckCardProps) {
  const { checked, errors, submit } = form;
  const broken = checked.error instanceof ApiError ? checked.error : null;
  const refused =
    submit.error instanceof ApiError && submit.error.code !== "INVALID_TOKEN" ? submit.error : null;
  return (
    <Card id="check" title="Check" className="self-start lg:sticky lg:top-16">
      <div aria-live="polite" className="flex flex-col gap-3">
        <Verdict form={form} />
        {errors.map((error) => (
          <Problem key={`${error.code}${error.message}`} error={error} form={form} onField={onField} />
        ))}
        {checked.data?.warnings.map((warning) => (
          <ErrorAlert
            key={warning.code + warning.message}
            error={new ApiError({ error: warning })}
            onFix={form.applyFix}
            announce="none"
            listFields
          />
        ))}
      </div>
      {broken && broken.code !== "INVALID_TOKEN" && (
        <div className="mt-3">
          <ErrorAlert error={broken} onRetry={() => checked.refetch()} announce="status" />
        </div>
      )}
      {checked.data?.memory && <Memory devices={checked.data.memory.devices} />}
      {checked.data?.config && errors.length === 0 && <Effective form={form} />}
      {refused && refused.fields.length === 0 && (
        <div className="mt-3">
          <ErrorAlert error={refused} onRetry={() => submit.mutate()} onFix={form.applyFix} />
        </div>
      )}
      <Button type="submit" look="primary" className="mt-4 w-full" busy={submit.isPending}>
        {submit.isPending ? "Starting" : "Start training"}
      </Button>
    </Card>
  );
}

function Verdict({ form }: { form: TrainingForm }) {
  const { complete, checking, checked, errors } = form;
  if (!complete)
    return <p className="text-soft">Choose a data set and a model; the settings are checked as you type.</p>;
  if (checking || !checked.data) {
    return (
      <p className="flex items-center gap-2 text-soft">
        <LoaderCircle aria-hidden className="size-4 animate-spin" /> Checking
      </p>
    );
  }
  if (errors.length) {
    return (
      <p className="flex items-center gap-2 font-medium text-bad">
        <CircleX aria-hidden className="size-4" />
        {errors.length === 1 ? "One thing has" : `${errors.length} things have`} to be put right
      </p>
    );
  }
  if (checked.data.warnings.length) {
    return (
      <p className="flex items-center gap-2 font-medium text-warn">
        <TriangleAlert aria-hidden className="size-4" /> It can be started, but look at this first
      </p>
    );
  }
  return (
    <p className="flex items-center gap-2 font-medium text-good">
      <CheckCircle2 aria-hidden className="size-4" /> Ready to train
    </p>
  );
}

interface ProblemProps {
  error: PublicError;
  form: TrainingForm;
  onField: (place: string) => void;
}

function Problem({ error, form, onField }: ProblemProps) {
  const { safe, review, manual } = remedies(error.fixes);
  return (
    <div data-problem={error.code} className="rounded-md border border-l-4 border-bad px-3 py-2">
      {!repeats(error) && (
        <p className="font-medium break-words">
          <Code text={error.message} />
        </p>
      )}
      {error.errors.length > 0 ? (
        <ul className="mt-1 text-[13px]">
          {error.errors.map((field) => (
            <li key={field.pointer + field.code} className="break-words">
              <button type="button" className={linkClass} onClick={() => onField(placeOf(field))}>
                {placeOf(field) ? labelOf(placeOf(field)) : "Form"}
              </button>
              : <Code text={fieldText(field)} />
            </li>
          ))}
        </ul>
      ) : (
        error.suggested_action && (
          <p className="mt-1 text-[13px] text-soft">
            <Code text={error.suggested_action} />
          </p>
        )
      )}
      {manual.map((fix) => (
        <p key={fix.id} className="mt-1 text-[13px]">
          {fix.label}
        </p>
      ))}
      <div className="mt-2 flex flex-wrap gap-1.5 empty:hidden">
        {[...safe, ...review].map((fix) => (
          <Button key={fix.id} small onClick={() => form.applyFix(fix)}>
            {fix.label}
          </Button>
        ))}
      </div>
    </div>
  );
}

/** What the training will run with where the form leaves it open. */
function Effective({ form }: { form: TrainingForm }) {
  const config = form.checked.data?.config;
  if (!config) return null;
  const open = (["epochs", "batch_size", "image_size", "device", "seed"] as const).filter(
    (key) => !(key in form.config),
  );
  if (!open.length) return null;
  return (
    <div className="mt-3 border-t border-line pt-3">
      <p className="mb-1 text-[13px] text-soft">Left open, so it will be</p>
      <Facts
        items={open.map((key): [string, string] => [
          key.replaceAll("_", " "),
          config[key] === null ? "the framework's own" : String(config[key]),
        ])}
      />
    </div>
  );
}
