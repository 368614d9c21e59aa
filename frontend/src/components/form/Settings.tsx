import { useState } from "react";
import type { TrainingForm } from "../../hooks/useTrainingForm";
import { settingsOf } from "../../lib/form";
import { Card, Empty, inputClass } from "../ui";
import { Setting } from "./Fields";

/** The framework's further settings; those that are set or wrong are always in sight. */
export function Settings({ form }: { form: TrainingForm }) {
  const [words, setWords] = useState("");
  const schemas = settingsOf(form.framework);
  const { settings } = form.values;
  const stray = Object.keys(settings).filter((name) => !(name in schemas) && settings[name] !== "");
  const wanted = words.trim().toLowerCase();
  const fits = (name: string) =>
    !wanted || name.includes(wanted) || (schemas[name]?.description ?? "").toLowerCase().includes(wanted);
  const [important, others] = split(Object.keys(schemas), (name) =>
    Boolean(settings[name] || form.fields[`settings/${name}`]),
  );
  const rest = others.filter(fits);
  const [open, setOpen] = useState(false);
  const first = [...stray, ...important];
  return (
    <Card id="settings" title={`Settings of ${form.framework?.framework ?? "the framework"}`}>
      {first.length > 0 && <Grid form={form} names={first} />}
      <details
        open={open}
        onToggle={(event) => setOpen(event.currentTarget.open)}
        className={first.length ? "mt-4" : ""}
      >
        <summary className="cursor-pointer font-medium">
          {first.length
            ? `${others.length} more settings`
            : `${others.length} settings, all at the framework's own values`}
        </summary>
        {open && (
          <div className="mt-3">
            {others.length > 8 && (
              <input
                type="search"
                aria-label="Search the settings"
                placeholder="Search the settings"
                className={`${inputClass} mb-4`}
                value={words}
                onChange={(event) => setWords(event.target.value)}
              />
            )}
            {rest.length ? <Grid form={form} names={rest} /> : <Empty title="No setting fits" />}
          </div>
        )}
      </details>
    </Card>
  );
}

function Grid({ form, names }: { form: TrainingForm; names: string[] }) {
  const schemas = settingsOf(form.framework);
  return (
    <div className="grid gap-4 sm:grid-cols-2 xl:grid-cols-3">
      {names.map((name) => (
        <Setting key={name} form={form} name={name} schema={schemas[name]} />
      ))}
    </div>
  );
}

function split(names: string[], test: (name: string) => boolean): [string[], string[]] {
  return [names.filter(test), names.filter((name) => !test(name))];
}
