-- CreateEnum
CREATE TYPE "listing_status" AS ENUM ('available', 'reserved', 'sold');

-- CreateTable
CREATE TABLE "listings" (
    "id" UUID NOT NULL,
    "title" VARCHAR(120) NOT NULL,
    "description" VARCHAR(5000) NOT NULL,
    "category" VARCHAR(40) NOT NULL,
    "price_cents" INTEGER NOT NULL,
    "currency" CHAR(3) NOT NULL,
    "city" VARCHAR(80) NOT NULL,
    "status" "listing_status" NOT NULL DEFAULT 'available',
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "listings_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "listings_created_at_id_idx" ON "listings"("created_at", "id");

-- CreateIndex
CREATE INDEX "listings_price_cents_id_idx" ON "listings"("price_cents", "id");

-- CreateIndex
CREATE INDEX "listings_category_created_at_id_idx" ON "listings"("category", "created_at", "id");

-- CreateIndex
CREATE INDEX "listings_category_price_cents_id_idx" ON "listings"("category", "price_cents", "id");

-- CreateIndex
CREATE INDEX "listings_city_created_at_id_idx" ON "listings"("city", "created_at", "id");
