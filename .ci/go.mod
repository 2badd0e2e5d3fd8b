// Programs that check the repository; users never build them.
module kenserve/ci

go 1.26.0
