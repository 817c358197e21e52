// Requests to the server's API.

const API = "/api/v1";

/** A refusal of the server, or no answer from it. */
export class Refusal extends Error {
  constructor(problem) {
    super(problem.detail ?? problem.title ?? "The server refused.");
    this.code = problem.code ?? "unknown";
    this.status = problem.status ?? 0;
  }
}

async function call(method, path, { body, signal } = {}) {
  const isForm = body instanceof FormData;
  const headers = body === undefined || isForm ? {} : { "Content-Type": "application/json" };
  let answer;
  try {
    answer = await fetch(API + path, {
      method, headers, signal, body: body === undefined || isForm ? body : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal({ code: "offline", detail: "The server does not answer. Is vidseek serve still running?" });
  }
  if (answer.status === 401) location.assign("/login");
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({ status: answer.status, title: answer.statusText }));
    throw new Refusal(problem);
  }
  return answer;
}

export const get = async (path, options) => (await call("GET", path, options)).json();
export const post = async (path, body, options) => (await call("POST", path, { ...options, body })).json();
export const remove = async (path) => (await call("DELETE", path)).json();
export const getFile = async (path, options) => (await call("GET", path, options)).blob();
export const postForFile = async (path, body) => (await call("POST", path, { body })).blob();

const posters = new Map();

/** Address of a picture of a video; null if there is none. */
export function poster(videoId) {
  if (!posters.has(videoId)) {
    posters.set(videoId, get(`/videos/${videoId}/clips?limit=3`)
      .then((page) => page.clips.find((clip) => clip.thumbnail_url)?.thumbnail_url ?? null)
      .catch(() => null));
  }
  return posters.get(videoId);
}

export const mediaUrl = (videoId) => `${API}/media/${videoId}`;
export const previewUrl = (videoId, start, end) =>
  `${API}/preview/${videoId}?start=${start.toFixed(3)}&end=${end.toFixed(3)}`;
export const eventsUrl = (jobId) => `${API}/jobs/${jobId}/events`;
