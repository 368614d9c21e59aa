import { useEffect, useState } from "react";
import type { TrainingForm } from "../../hooks/useTrainingForm";
import { labelOf, type TextField } from "../../lib/form";
import { Card } from "../ui";
import { TextInput } from "./Fields";

interface Shown {
  name: TextField;
  placeholder?: string;
  hint?: string;
  word?: true;
}

const few: Shown[] = [
  { name: "epochs", hint: "Passes over the data" },
  { name: "batch_size", hint: "Images in memory at once" },
  { name: "image_size", hint: "Edge in pixels" },
  { name: "lr0", placeholder: "The framework's own", hint: "At the beginning" },
];
const rest: Shown[] = [
  { name: "device", placeholder: "auto", hint: "auto, cpu, or GPU numbers", word: true },
  { name: "patience", placeholder: "No early stop", hint: "Epochs without progress" },
  {
    name: "val_fraction",

    placeholder: "As the data set has it",
    hint: "Share for validation, where there is none",
  },
  { name: "max_duration_s", placeholder: "None", hint: "Seconds" },
  {
    name: "accumulate",

    placeholder: "1",
    hint: "Batches that make one step of learning",
  },
  {
    name: "val_batch_size",

    placeholder: "Twice the batch size",
    hint: "Images in memory at once",
  },
  { name: "workers", placeholder: "The framework's own" },
  { name: "seed", placeholder: "0" },
];

/** The few settings that matter most, and the rest folded; what is set there or wrong is in sight. */
export function How({ form }: { form: TrainingForm }) {
  const wrong = rest.some((item) => form.fields[item.name]);
  // What stands there as it would be anyway is not set: a form that begins with a job has every value.
  const set = rest.filter(
    ({ name, placeholder }) => !["", placeholder].includes(form.values[name].trim()),
  ).length;
  const [open, setOpen] = useState(set > 0);
  useEffect(() => {
    if (wrong) setOpen(true);
  }, [wrong]);
  return (
    <Card id="how" title="How to train">
      <div className="grid gap-4 sm:grid-cols-2 xl:grid-cols-4">
        {few.map(({ word, ...shown }) => (
          <TextInput key={shown.name} form={form} label={labelOf(shown.name)} number={!word} {...shown} />
        ))}
      </div>
      <details open={open} onToggle={(event) => setOpen(event.currentTarget.open)} className="mt-4">
        <summary className="cursor-pointer font-medium">
          More: device, early stop, time limit, seed{set > 0 && ` (${set} set)`}
        </summary>
        {open && (
          <div className="mt-3 grid gap-4 sm:grid-cols-2 xl:grid-cols-4">
            {rest.map(({ word, ...shown }) => (
              <TextInput key={shown.name} form={form} label={labelOf(shown.name)} number={!word} {...shown} />
            ))}
          </div>
        )}
      </details>
    </Card>
  );
}
