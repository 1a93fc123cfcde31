/** The API's shapes and the one door to it. Units are in the names; unknown is null. */

export type Maybe = number | null;
export type State = "waiting" | "training" | "replaying" | "finished" | "failed";

export interface Revisions {
  run: number;
  frames: number;
  recommendations: number;
  queues: number;
  gangs: number;
  reasons: number;
  report: number;
}

export interface Progress {
  state: State;
  message: string;
  now_s: Maybe;
  share: Maybe;
  revisions: Revisions;
}

export interface RunDetails {
  name: string;
  seed: number;
  machine: string;
  clusters: string[];
  policies: string[];
  node_count: number;
  cpu_cores: Maybe;
  interval_s: number;
  start_s: number;
  train_until_s: number;
  end_s: number;
  cpu_risk: Maybe;
}

export interface Run {
  progress: Progress;
  run: RunDetails | null;
}

export interface Headline {
  replayed_s: number;
  utilisation_without: Maybe;
  utilisation_with: Maybe;
  sold_core_hours: Maybe;
  offline_core_hours: Maybe;
  online_lost_share: Maybe;
  online_lost_core_hours: Maybe;
  evicted_tasks: number;
  running_gangs: number;
  pending_gangs: number;
  promised_risk: Maybe;
  realised_risk: Maybe;
  judged_forecasts: number;
}

export interface FleetSeries {
  at_s: number[];
  utilisation_without: Maybe[];
  utilisation_with: Maybe[];
  sold_share: Maybe[];
  kept_share: Maybe[];
  running_gangs: Maybe[];
  pending_gangs: Maybe[];
  evicted_tasks: number[];
}

export interface ClusterFigures {
  cluster: string;
  nodes: number;
  cpu_cores: Maybe;
  utilisation_without: Maybe;
  utilisation_with: Maybe;
  sold_core_hours: Maybe;
}

export interface Overview {
  step_s: number;
  cpu_cores: Maybe;
  headline: Headline;
  series: FleetSeries;
  clusters: ClusterFigures[];
}

export interface Tick {
  progress: Progress;
  headline: Headline | null;
  step_s: number;
  first_point: number;
  series: FleetSeries | null;
  clusters: ClusterFigures[];
}

export interface ReportColumn {
  key: string;
  label: string;
  unit: string;
  better: "higher" | "lower" | null;
  about: string;
}

export interface Report {
  ours: string;
  columns: ReportColumn[];
  rows: Record<string, string | number | null>[];
}

export interface NodeName {
  node: string;
  cluster: string;
  cpu_cores: Maybe;
}

export interface HeatRow extends NodeName {
  mean_without: Maybe;
  mean_with: Maybe;
  utilisation_without: Maybe[];
  utilisation_with: Maybe[];
}

export interface HeatMap {
  total: number;
  offset: number;
  column_s: number;
  start_s: number;
  end_s: number;
  at_s: number[];
  rows: HeatRow[];
}

export interface NodeSeries extends NodeName {
  step_s: number;
  start_s: number;
  end_s: number;
  at_s: number[];
  online_cores: Maybe[];
  offline_cores: Maybe[];
  sold_cores: Maybe[];
  kept_cores: Maybe[];
  came_cores: Maybe[];
  judged_forecasts: number;
  exceeded_forecasts: number;
  reason: string;
}

export interface Recommendation {
  workload: string;
  namespace: string;
  kind: string;
  container: string;
  replicas: number;
  at_s: number;
  cpu_request_cores: Maybe;
  recommended_cpu_request_cores: Maybe;
  cpu_lower_cores: Maybe;
  cpu_upper_cores: Maybe;
  memory_request_bytes: Maybe;
  recommended_memory_request_bytes: Maybe;
  memory_lower_bytes: Maybe;
  memory_upper_bytes: Maybe;
  confidence: Maybe;
  reason: string;
}

export interface RecommendationTable {
  total: number;
  compared: number;
  cpu_request_cores: Maybe;
  recommended_cpu_request_cores: Maybe;
  rows: Recommendation[];
}

export interface QueueRow {
  name: string;
  parent: string | null;
  guaranteed_cores: Maybe;
  max_cores: Maybe;
  weight: number;
  used_cores: Maybe;
  borrowed_cores: Maybe;
  pending_gangs: number;
}

export interface PendingGang {
  gang: string;
  queue: string;
  tasks: number;
  min_available: number;
  cpu_cores: Maybe;
  memory_bytes: Maybe;
  duration_s: number;
  submitted_s: number;
  waiting_s: number;
  reason: string;
}

export interface PendingGangs {
  total: number;
  rows: PendingGang[];
}

/** Reads one answer; null where there is nothing yet (404). Throws a sentence otherwise. */
export async function read<Answer>(path: string, signal?: AbortSignal): Promise<Answer | null> {
  const response = await fetch(`/api/v1${path}`, signal ? { signal } : {});
  if (response.status === 404) return null;
  if (!response.ok) throw new Error(`the server answered ${response.status} to ${path}`);
  return (await response.json()) as Answer;
}

/** A live cluster, as `slacktide serve dashboard` tells it. */
export interface Source {
  kind: "replay" | "cluster" | "node";
}

export interface ClusterFact {
  nodes: number;
  closed_nodes: number;
  sold_cpu_cores: number;
  used_cpu_cores: number;
  free_cpu_cores: number;
  sold_memory_bytes: number;
  used_memory_bytes: number;
  running_gangs: number;
  waiting_gangs: number;
  running_tasks: number;
  waiting_tasks: number;
}

export interface PlannerFact {
  holder: string;
  heard_s: number;
  alive: boolean;
}

export interface Moment {
  revision: number;
  at_s: Maybe;
  cluster: ClusterFact | null;
  planner: PlannerFact | null;
  unseen: string[];
}

export interface QueueFact {
  queue: string;
  parent: string;
  depth: number;
  guaranteed_cpu_cores: number;
  max_cpu_cores: Maybe;
  weight: number;
  used_cpu_cores: number;
  used_memory_bytes: number;
  share: number;
  running_gangs: number;
  waiting_gangs: number;
  waiting_tasks: number;
  turn: Maybe;
  why: string;
  problem: string;
}

export interface DecisionFact {
  at_s: number;
  namespace: string;
  gang: string;
  tasks: number;
  bound: number;
  nodes: string[];
}

export interface LiveQueues {
  rows: QueueFact[];
  decisions: DecisionFact[];
}

export interface GangFact {
  namespace: string;
  gang: string;
  way_in: string;
  queue: string;
  state: string;
  have: number;
  need: number;
  wanted: number;
  placed: number;
  cpu_cores: number;
  memory_bytes: number;
  priority: number;
  submit_s: number;
  waiting_s: Maybe;
  position: Maybe;
  line: Maybe;
  cause: string;
  reason: string;
  start_s: Maybe;
  start_after_s: Maybe;
  duration_s: Maybe;
  nodes: string[];
  decided_s: Maybe;
  preemptions: number;
  evicted_s: Maybe;
}

export interface LiveGangs {
  total: number;
  rows: GangFact[];
}

export interface LiveGang {
  gang: GangFact;
  queue: QueueFact | null;
  help: string;
  sentences: string[];
}

/** A node agent, as its own diary tells it. */
export interface AgentName {
  agent: number;
  where: string;
}

export interface AgentEvent {
  at_s: number;
  kind: string;
  pod: string;
  text: string;
}

export interface AgentSeries {
  step_s: number;
  at_s: number[];
  level: Maybe[];
  online_full_share: Maybe[];
  io_full_share: Maybe[];
  memory_used_share: Maybe[];
  cpu_stage: Maybe[];
  disk_stage: Maybe[];
  memory_stage: Maybe[];
  network_stage: Maybe[];
  quota_cores: Maybe[];
  online_used_cores: Maybe[];
  offline_used_cores: Maybe[];
  system_used_cores: Maybe[];
  latency_s: Maybe[];
  requests_per_s: Maybe[];
  slow_share: Maybe[];
  disk_write_limit_bytes_per_s: Maybe[];
  egress_limit_bytes_per_s: Maybe[];
  frozen: Maybe[];
}

export interface AgentView {
  agent: number;
  where: string;
  node: string;
  problem: string;
  alive: boolean;
  heartbeat_age_s: Maybe;
  started_s: Maybe;
  evictions: number;
  series: AgentSeries | null;
  events: AgentEvent[];
}
