import { Link } from "@tanstack/react-router";
import type { Job } from "../../generated/api";
import { valueText } from "../../lib/job";
import { Facts, linkClass } from "../ui";

/** The configuration that was submitted; what was left open is not listed. */
export function Config({ job }: { job: Job }) {
  const { settings, dataset_id, name: _name, ...rest } = job.config;
  const set = Object.entries(rest).filter(([, value]) => value !== null && value !== false);
  return (
    <Facts
      items={[
        [
          "data set",
          <Link
            key="dataset"
            to="/datasets/$datasetId"
            params={{ datasetId: dataset_id }}
            className={linkClass}
          >
            {dataset_id}
          </Link>,
        ],
        ...[...set, ...Object.entries(settings ?? {})].map(([key, value]): [string, string] => [
          key.replaceAll("_", " "),
          valueText(value),
        ]),
      ]}
    />
  );
}
