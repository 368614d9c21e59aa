import type { ReactNode } from "react";
import type { TrainingForm } from "../../hooks/useTrainingForm";
import { fieldId, type SettingSchema, type TextField } from "../../lib/form";
import { Code } from "../Code";
import { Button, inputClass } from "../ui";

interface FieldProps {
  place: string;
  label: string;
  errors?: string[];
  hint?: ReactNode;
  /** The form, for remedies that belong to this field. */
  form?: TrainingForm;
  children: (props: { id: string; "aria-describedby"?: string; "aria-invalid"?: true }) => ReactNode;
}

/** A field with its label, its hint, and what is wrong with it right below it. */
export function Field({ place, label, errors = [], hint, form, children }: FieldProps) {
  const id = fieldId(place);
  const described = [hint && `${id}-hint`, errors.length && `${id}-error`].filter(Boolean).join(" ");
  return (
    <div className="min-w-0">
      <label htmlFor={id} className="mb-1 block font-medium">
        {label}
      </label>
      {children({
        id,
        "aria-describedby": described || undefined,
        "aria-invalid": errors.length ? true : undefined,
      })}
      {hint && (
        <p id={`${id}-hint`} className="mt-1 text-[13px] text-soft">
          {hint}
        </p>
      )}
      {errors.length > 0 && (
        <ul id={`${id}-error`} className="mt-1 text-[13px] text-bad">
          {errors.map((message) => (
            <li key={message}>
              <Code text={message} />
            </li>
          ))}
        </ul>
      )}
      {form?.fixes[place] && (
        <div className="mt-1.5 flex flex-wrap gap-1.5">
          {form.fixes[place].map((fix) => (
            <Button key={fix.id} small onClick={() => form.applyFix(fix)}>
              {fix.label}
            </Button>
          ))}
        </div>
      )}
    </div>
  );
}

interface TextProps {
  form: TrainingForm;
  name: TextField;
  label: string;
  hint?: ReactNode;
  number?: boolean;
  placeholder?: string;
}

export function TextInput({ form, name, label, hint, number, placeholder }: TextProps) {
  return (
    <Field form={form} place={name} label={label} hint={hint} errors={form.fields[name]}>
      {(props) => (
        <input
          {...props}
          className={inputClass}
          inputMode={number ? "decimal" : undefined}
          autoComplete="off"
          placeholder={placeholder}
          value={form.values[name]}
          onChange={(event) => form.set(name, event.target.value)}
        />
      )}
    </Field>
  );
}

function range(schema: SettingSchema): string {
  const low = schema.minimum ?? schema.exclusiveMinimum;
  const high = schema.maximum ?? schema.exclusiveMaximum;
  if (low === undefined && high === undefined) return "";
  if (high === undefined) return `from ${low}`;
  return low === undefined ? `up to ${high}` : `${low} to ${high}`;
}

interface SettingProps {
  form: TrainingForm;
  name: string;
  schema: SettingSchema | undefined;
}

/** One setting of the framework, as its schema describes it; an unknown one keeps what was given and can be removed. */
export function Setting({ form, name, schema }: SettingProps) {
  const value = form.values.settings[name] ?? "";
  const choices =
    schema?.enum?.map(String) ?? ([schema?.type].flat().includes("boolean") ? ["true", "false"] : null);
  const hint = schema
    ? [schema.description, range(schema)].filter(Boolean).join(", ")
    : "Not a setting of this framework";
  return (
    <Field
      form={form}
      place={`settings/${name}`}
      label={name}
      hint={hint}
      errors={form.fields[`settings/${name}`]}
    >
      {(props) =>
        choices ? (
          <select
            {...props}
            className={inputClass}
            value={value}
            onChange={(event) => form.setSetting(name, event.target.value)}
          >
            <option value="">The framework's own</option>
            {choices.map((choice) => (
              <option key={choice} value={choice}>
                {choice === "null" ? "none" : choice}
              </option>
            ))}
          </select>
        ) : (
          <input
            {...props}
            className={inputClass}
            autoComplete="off"
            placeholder={schema?.default === undefined ? "The framework's own" : String(schema.default)}
            value={value}
            onChange={(event) => form.setSetting(name, event.target.value)}
          />
        )
      }
    </Field>
  );
}
