import { expect, it } from "vitest";
import { job } from "../test-data";
import { ended } from "./useNotices";

it("tells of jobs that have ended since the last look, not of those that had ended before", () => {
  const jobs = [
    job({ job_id: "J-1", status: "failed" }),
    job({ job_id: "J-2", status: "succeeded" }),
    job({ job_id: "J-3", status: "running" }),
  ];
  const told = ended(new Set(["J-2", "J-3"]), jobs, () => false);
  expect(told.map((item) => item.job_id)).toEqual(["J-2"]);
});

it("tells nothing of a job whose end was seen on its own page", () => {
  const jobs = [job({ job_id: "J-1", status: "failed" }), job({ job_id: "J-2", status: "failed" })];
  const told = ended(new Set(["J-1", "J-2"]), jobs, (id) => id === "J-1");
  expect(told.map((item) => item.job_id)).toEqual(["J-2"]);
});
