"""What runs the jobs: the Celery worker, the kinds of job, and the engines."""
