-- What has grown old: what the moves that end its keeping look for.

-- name: expirable_jobs(ended_before, most)
-- Jobs whose video was kept long enough, the oldest first; see `expire_job`.
SELECT jobs.job_id, video.size_bytes
FROM jobs JOIN outbox AS video ON video.job_id = jobs.job_id AND video.kind = 'video'
WHERE jobs.state = 'completed' AND jobs.expired_at IS NULL AND jobs.ended_at <= :ended_before
    AND jobs.deleted_at IS NULL AND NOT EXISTS (
        SELECT 1 FROM outbox
        WHERE outbox.job_id = jobs.job_id AND outbox.state IN ('owed', 'delivering')
    )
ORDER BY jobs.ended_at, jobs.seq
LIMIT :most;

-- name: last_of_image(image)^
-- When the last of the jobs that start from a picture ended; a moment that never comes while one lives.
SELECT max(CASE WHEN ended_at IS NULL THEN 9223372036854775807 ELSE ended_at END) AS left_at
FROM jobs WHERE image = :image;

-- name: output_of(job_id)^
-- What has become of the video of a job.
SELECT jobs.ended_at, video.state, video.delivered_at
FROM jobs LEFT JOIN outbox AS video ON video.job_id = jobs.job_id AND video.kind = 'video'
WHERE jobs.job_id = :job_id;
